//! What the service refuses: an error code of the API's model, its HTTP status and a sentence.

use super::api::API;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    pub message: String,
}

/// Errors that any action may answer
/// (https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html; the two
/// `InvalidParameter…` are RDS's own).
pub const COMMON: [&str; 6] = [
    "InvalidAction",
    "InvalidParameterCombination",
    "InvalidParameterValue",
    "MissingParameter",
    "ValidationError",
    "InternalFailure",
];

/// AWS answers it to StartExportTask, and the model does not have it.
pub const UNMODELLED: &str = "ExportTaskLimitReachedFault";

impl Fault {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub fn value(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", message)
    }

    pub fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }

    pub fn cluster_state(message: impl Into<String>) -> Self {
        Self::new("InvalidDBClusterStateFault", message)
    }

    pub fn instance_state(message: impl Into<String>) -> Self {
        Self::new("InvalidDBInstanceState", message)
    }

    pub fn status(&self) -> u16 {
        match self.code {
            "InternalFailure" => 500,
            "SignatureDoesNotMatch" => 403,
            code => API.errors.get(code).copied().unwrap_or(400),
        }
    }
}
