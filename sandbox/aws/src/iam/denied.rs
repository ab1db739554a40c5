//! How each service says that a call is denied.

use quick_xml::escape::escape;
use serde_json::json;

use super::Denied;
use crate::ec2;
use crate::http::{Response, respond};

impl Denied {
    /// "User: … is not authorized to perform: … on resource: … because …"
    /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html). S3
    /// quotes the resource, and STS gives no reason.
    pub fn message(&self, service: &str) -> String {
        let Self { user, action, resource, denial } = self;
        let asked = format!("User: {user} is not authorized to perform: {action} on resource:");
        match service {
            "sts" => format!("{asked} {resource}"),
            "s3" => format!("{asked} \"{resource}\" {}", denial.words(action)),
            _ => format!("{asked} {resource} {}", denial.words(action)),
        }
    }

    pub(super) fn answer(&self, service: &str) -> Response {
        let about_key = self.action.starts_with("kms:");
        let message = match service {
            // awslabs/aurora-snapshot-tool#29: RDS does not say which permission is missing.
            "rds" if about_key => format!(
                "The KMS key [{}] does not exist, is not enabled or you do not have permissions to \
                 access it.",
                self.resource
            ),
            // https://repost.aws/knowledge-center/secrets-manager-cross-account-key
            "secretsmanager" if about_key => "Access to KMS is not allowed".to_owned(),
            _ => self.message(service),
        };
        match service {
            "rds" if about_key => xml(400, "KMSKeyNotAccessibleFault", &message),
            "rds" | "sts" => xml(403, "AccessDenied", &message),
            // hashicorp/terraform-provider-aws#4664
            "ec2" => ec2::refusal(403, "UnauthorizedOperation", &message),
            "s3" => respond(
                403,
                "application/xml",
                format!("<Error><Code>AccessDenied</Code><Message>{}</Message></Error>", escape(&message)),
            ),
            _ => {
                let status = if service == "lambda" { 403 } else { 400 };
                let code = "AccessDeniedException";
                let body = json!({ "__type": code, "message": message }).to_string();
                let mut response = respond(status, "application/x-amz-json-1.1", body);
                // Lambda's REST protocol names the error in a header.
                response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(code));
                response
            }
        }
    }
}

fn xml(status: u16, code: &str, message: &str) -> Response {
    let error = format!("<Type>Sender</Type><Code>{code}</Code><Message>{}</Message>", escape(message));
    let id = uuid::Uuid::new_v4();
    respond(
        status,
        "text/xml",
        format!("<ErrorResponse><Error>{error}</Error><RequestId>{id}</RequestId></ErrorResponse>"),
    )
}
