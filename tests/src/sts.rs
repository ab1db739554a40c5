//! Security Token Service: who calls, and keys for a role. Query API, 2011-06-15 (botocore sts 1.43.11).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quick_xml::escape::escape;
use runbook::clock::Clock;

use crate::aws::ACCOUNT;
use crate::http::{Caller, Endpoint, Request, Response, respond};
use crate::ids::Ids;

pub struct Sts {
    clock: Clock,
    ids: Ids,
}

struct Error {
    code: &'static str,
    message: String,
}

impl Sts {
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, ids: Ids::new("sts") })
    }

    fn get_caller_identity(&self, principal: &str) -> String {
        let principal = escape(principal);
        format!("<Arn>arn:aws:iam::{ACCOUNT}:user/{principal}</Arn><UserId>{principal}</UserId><Account>{ACCOUNT}</Account>")
    }

    /// The access key that is handed out is the role's name: it is the principal of every call made with it.
    fn assume_role(&self, input: &BTreeMap<String, String>) -> Result<String, Error> {
        let required = |name: &str| {
            input
                .get(name)
                .ok_or_else(|| Error { code: "ValidationError", message: format!("The request must contain the parameter {name}") })
        };
        let (role_arn, session) = (required("RoleArn")?, required("RoleSessionName")?);
        let role = role_arn.rsplit('/').next().filter(|_| role_arn.starts_with("arn:aws:iam::") && role_arn.contains(":role/"));
        let role = role.ok_or_else(|| Error { code: "ValidationError", message: format!("{role_arn} is invalid") })?;
        let account = role_arn.split(':').nth(4).unwrap_or(ACCOUNT);
        let duration = input.get("DurationSeconds").and_then(|text| text.parse().ok()).unwrap_or(3600);
        let (role, session, account) = (escape(role), escape(session), escape(account));
        Ok(format!(
            "<AssumedRoleUser><AssumedRoleId>AROASANDBOX:{session}</AssumedRoleId>\
             <Arn>arn:aws:sts::{account}:assumed-role/{role}/{session}</Arn></AssumedRoleUser>\
             <Credentials><AccessKeyId>{role}</AccessKeyId><SecretAccessKey>sandbox</SecretAccessKey>\
             <SessionToken>{}</SessionToken><Expiration>{:.0}</Expiration></Credentials>",
            self.ids.hex(),
            self.clock.now() + Duration::from_secs(duration),
        ))
    }
}

#[async_trait]
impl Endpoint for Sts {
    async fn call(&self, request: Request) -> Response {
        let input: BTreeMap<String, String> = url::form_urlencoded::parse(request.body()).into_owned().collect();
        let principal = request.extensions().get::<Caller>().map_or("anonymous", |caller| caller.principal.as_str());
        let action = input.get("Action").map_or("", String::as_str);
        let result = match action {
            "GetCallerIdentity" => Ok(self.get_caller_identity(principal)),
            "AssumeRole" => self.assume_role(&input),
            other => Err(Error { code: "InvalidAction", message: format!("Could not find operation {other} for version 2011-06-15") }),
        };
        let id = self.ids.uuid();
        const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
        match result {
            Ok(result) => {
                let metadata = format!("<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>");
                let body = format!("<{action}Result>{result}</{action}Result>{metadata}");
                respond(200, "text/xml", format!("<{action}Response xmlns=\"{NAMESPACE}\">{body}</{action}Response>"))
            }
            Err(Error { code, message }) => {
                let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error>", escape(&message));
                respond(400, "text/xml", format!("<ErrorResponse xmlns=\"{NAMESPACE}\">{error}<RequestId>{id}</RequestId></ErrorResponse>"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn post(body: &str) -> (u16, String) {
        let caller = Caller { principal: "take-snapshot".into(), region: "eu-west-1".into(), service: "sts".into() };
        let request = http::Request::post("/").extension(caller).body(body.to_owned().into()).unwrap();
        let response = Sts::new(Clock::System).call(request).await;
        (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_caller_is_told_who_it_is() {
        let (status, body) = post("Action=GetCallerIdentity&Version=2011-06-15").await;
        assert_eq!(status, 200);
        assert!(body.contains("<Account>111122223333</Account>"), "{body}");
        assert!(body.contains("<Arn>arn:aws:iam::111122223333:user/take-snapshot</Arn>"), "{body}");
    }

    #[tokio::test]
    async fn an_assumed_role_is_a_principal_of_its_own() {
        let role = "arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Fcopier";
        let (status, body) = post(&format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=run-1")).await;
        assert_eq!(status, 200);
        assert!(body.contains("<AccessKeyId>copier</AccessKeyId>"), "{body}");
        assert!(body.contains("arn:aws:sts::444455556666:assumed-role/copier/run-1"), "{body}");
        let (_, expiration) = body.split_once("<Expiration>").unwrap();
        let expiration: jiff::Timestamp = expiration.split_once('<').unwrap().0.parse().unwrap();
        assert!(expiration > jiff::Timestamp::now());
        assert_eq!(post("Action=AssumeRole&RoleArn=copier&RoleSessionName=run-1").await.0, 400);
    }
}
