//! `aws-sdk:ssm:getCalendarState`: an AWS SDK integration, whose names are all in PascalCase
//! (https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html).

use serde_json::Value;

use super::{Errors, send_json};
use crate::run::failure::Failure;
use crate::run::visit::Visit;

/// The errors of GetCalendarState in botocore ssm/2014-11-06.
const ERRORS: Errors = Errors {
    prefix: "Ssm",
    service: "Ssm",
    generic: "SsmException",
    modelled: &[
        "InternalServerErrorException",
        "InvalidDocumentException",
        "InvalidDocumentTypeException",
        "UnsupportedCalendarException",
    ],
};

pub async fn get_calendar_state(visit: &Visit<'_>, arguments: &Value) -> Result<Value, Failure> {
    send_json(visit.execution, "ssm", "1.1", "AmazonSSM.GetCalendarState", arguments, &ERRORS).await
}
