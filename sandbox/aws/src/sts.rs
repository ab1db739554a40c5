//! Security Token Service: who calls, and keys for a role. Query API, 2011-06-15 (botocore sts
//! 1.43.11).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock::Clock;
use quick_xml::escape::escape;

use crate::aws::ACCOUNTS;
use crate::http::{Caller, Endpoint, Request, Response, Session, access_key, respond};
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

    fn get_caller_identity(&self, caller: &Caller) -> String {
        let account = &caller.account;
        let arn = match &caller.session {
            Some(Session { role, name, .. }) => format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
            None => format!("arn:aws:iam::{account}:user/{}", caller.principal),
        };
        format!(
            "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
            escape(&arn),
            escape(&caller.principal),
            escape(account)
        )
    }

    /// Whether the role's trust policy lets the caller in is seen before. The access key that is
    /// handed out leaves the principal as it is, so that the call log and
    /// the fault plan still name it, and moves its calls into the role's account.
    fn assume_role(&self, caller: &Caller, input: &BTreeMap<String, String>) -> Result<String, Error> {
        let required = |name: &str| {
            input.get(name).ok_or_else(|| Error {
                code: "ValidationError",
                message: format!("The request must contain the parameter {name}"),
            })
        };
        let (role_arn, session) = (required("RoleArn")?, required("RoleSessionName")?);
        let role = role_arn
            .rsplit('/')
            .next()
            .filter(|_| role_arn.starts_with("arn:aws:iam::") && role_arn.contains(":role/"));
        let role =
            role.ok_or_else(|| Error { code: "ValidationError", message: format!("{role_arn} is invalid") })?;
        let account = role_arn.split(':').nth(4).unwrap_or_default();
        if !ACCOUNTS.contains(&account) {
            // STS says the same of a role that does not exist and of one that does not trust the
            // caller.
            let message = format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
                caller.principal
            );
            return Err(Error { code: "AccessDenied", message });
        }
        let duration = input.get("DurationSeconds").and_then(|text| text.parse().ok()).unwrap_or(3600);
        let policy = input.get("Policy").map(|policy| format!("/{}", hex::encode(policy)));
        let (role, session, policy) = (escape(role), escape(session), policy.unwrap_or_default());
        Ok(format!(
            "<AssumedRoleUser><AssumedRoleId>AROASANDBOX:{session}</AssumedRoleId>\
             <Arn>arn:aws:sts::{account}:assumed-role/{role}/{session}</Arn></AssumedRoleUser>\
             <Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>sandbox</SecretAccessKey>\
             <SessionToken>{role}/{session}{policy}</SessionToken><Expiration>{:.0}</Expiration></Credentials>",
            escape(access_key(&caller.principal, account)),
            self.clock.now() + Duration::from_secs(duration),
        ))
    }
}

#[async_trait]
impl Endpoint for Sts {
    async fn call(&self, request: Request) -> Response {
        let input: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.body()).into_owned().collect();
        let caller = request.extensions().get().cloned().unwrap_or_else(|| Caller::home("anonymous", "sts"));
        let action = input.get("Action").map_or("", String::as_str);
        let result = match action {
            "GetCallerIdentity" => Ok(self.get_caller_identity(&caller)),
            "AssumeRole" => self.assume_role(&caller, &input),
            other => Err(Error {
                code: "InvalidAction",
                message: format!("Could not find operation {other} for version 2011-06-15"),
            }),
        };
        let id = self.ids.uuid();
        const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
        match result {
            Ok(result) => {
                let metadata = format!("<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>");
                let body = format!("<{action}Result>{result}</{action}Result>{metadata}");
                respond(
                    200,
                    "text/xml",
                    format!("<{action}Response xmlns=\"{NAMESPACE}\">{body}</{action}Response>"),
                )
            }
            Err(Error { code, message }) => {
                let error = format!(
                    "<Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error>",
                    escape(&message)
                );
                let status = if code == "AccessDenied" { 403 } else { 400 };
                respond(
                    status,
                    "text/xml",
                    format!(
                        "<ErrorResponse \
                        xmlns=\"{NAMESPACE}\">{error}<RequestId>{id}</RequestId></ErrorResponse>"
                    ),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn post(body: &str) -> (u16, String) {
        send(Caller::home("take-snapshot", "sts"), body).await
    }

    async fn send(caller: Caller, body: &str) -> (u16, String) {
        let request = http::Request::post("/").extension(caller).body(body.to_owned().into()).unwrap();
        let response = Sts::new(Clock::System).call(request).await;
        (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_caller_is_told_who_it_is() {
        let (status, body) = post("Action=GetCallerIdentity&Version=2011-06-15").await;
        assert_eq!(status, 200);
        assert!(body.contains("<Account>444455556666</Account>"), "{body}");
        assert!(body.contains("<Arn>arn:aws:iam::444455556666:user/take-snapshot</Arn>"), "{body}");
    }

    #[tokio::test]
    async fn an_assumed_role_moves_its_caller_into_the_roles_account() {
        let role = "arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fcopier";
        let (status, body) = post(&format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=run-1")).await;
        assert_eq!(status, 200);
        assert!(body.contains("<AccessKeyId>take-snapshot.111122223333</AccessKeyId>"), "{body}");
        assert!(body.contains("arn:aws:sts::111122223333:assumed-role/copier/run-1"), "{body}");
        let (_, expiration) = body.split_once("<Expiration>").unwrap();
        let expiration: jiff::Timestamp = expiration.split_once('<').unwrap().0.parse().unwrap();
        assert!(expiration > jiff::Timestamp::now());
        let assumed = Caller::of_key("take-snapshot.111122223333", "eu-west-1", "sts");
        assert_eq!((&*assumed.principal, &*assumed.account), ("take-snapshot", "111122223333"));
        let session =
            Some(Session { role: "copier".into(), name: "run-1".into(), policy: None, service: None });
        let (_, body) = send(Caller { session, ..assumed }, "Action=GetCallerIdentity").await;
        assert!(body.contains("<Account>111122223333</Account>"), "{body}");
        assert!(body.contains("<Arn>arn:aws:sts::111122223333:assumed-role/copier/run-1</Arn>"), "{body}");

        assert_eq!(post("Action=AssumeRole&RoleArn=copier&RoleSessionName=run-1").await.0, 400);
        let stranger = "arn%3Aaws%3Aiam%3A%3A999999999999%3Arole%2Fcopier";
        let (status, body) =
            post(&format!("Action=AssumeRole&RoleArn={stranger}&RoleSessionName=run-1")).await;
        assert!(status == 403 && body.contains("<Code>AccessDenied</Code>"), "{body}");
    }
}
