//! The owner's bucket, reached through the gateway with the owner's role: trust, policies and keys
//! are evaluated at every call, as they are for anybody else.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::{SERVICE, Task, metadata};
use crate::http::{Caller, Request};
use crate::rds::Rds;

pub struct Bucket<'a> {
    pub rds: &'a Rds,
    pub task: &'a Task,
}

/// A call that S3 did not do.
#[derive(Debug)]
pub struct Refused {
    /// What the role may not do; empty when the bucket is not there.
    pub action: String,
    key: String,
}

impl Refused {
    /// In the sentences of
    /// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Troubleshooting.html.
    pub fn cause(&self, role: &str, bucket: &str) -> String {
        let Self { action, key } = self;
        match action.split(':').next().unwrap_or_default() {
            "sts" => format!(
                "The RDS export failed to write the export task's metadata because it can't assume the IAM \
                 role {role}."
            ),
            "kms" => format!(
                "The RDS export failed to write the export task's metadata to the S3 bucket {bucket} using \
                 the IAM role {role} with the KMS key {key}. Error code: AccessDenied"
            ),
            "s3" => format!(
                "The IAM role {role} isn't authorized to call {action} on the S3 bucket {bucket}. Review \
                 your permissions and retry the export."
            ),
            _ => format!(
                "The S3 bucket {bucket} isn't valid. Either it isn't located in the current AWS Region or \
                 it doesn't exist. Review your S3 bucket name and retry the export."
            ),
        }
    }
}

impl Bucket<'_> {
    /// Is the bucket there, in this Region, and may the role see it?
    pub async fn look(&self) -> Result<(), Refused> {
        self.call(Method::GET, "?location", Bytes::new()).await?;
        self.call(Method::GET, "?list-type=2&max-keys=1", Bytes::new()).await
    }

    /// What the guide's policy for the role lists, object by object: written, read back, deleted.
    pub async fn try_rights(&self) -> Result<(), Refused> {
        let path = object(&format!("{}_temporary", metadata::folder(self.task)));
        for method in [Method::PUT, Method::GET, Method::DELETE] {
            self.call(method, &path, Bytes::new()).await?;
        }
        Ok(())
    }

    /// Below the task's folder.
    pub async fn put(&self, path: &str, body: impl Into<Bytes>) -> Result<(), Refused> {
        let path = object(&format!("{}{path}", metadata::folder(self.task)));
        self.call(Method::PUT, &path, body.into()).await
    }

    /// What is only slow or throttled is tried again.
    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<(), Refused> {
        const ATTEMPTS: usize = 5;
        let Self { rds, task } = self;
        let refused = |action: &str| Refused { action: action.to_owned(), key: task.key.clone() };
        let gateway = rds.gateway.upgrade().ok_or_else(|| refused(""))?;
        let mut response = gateway.call(self.request(&method, path, &body).ok_or_else(|| refused(""))?).await;
        for _ in 1..ATTEMPTS {
            if response.status().as_u16() < 500 {
                break;
            }
            rds.pause(Duration::from_secs(1)).await;
            response = gateway.call(self.request(&method, path, &body).ok_or_else(|| refused(""))?).await;
        }
        if response.status().is_success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(response.body()).into_owned();
        let action = said.split("perform: ").nth(1).and_then(|rest| rest.split(' ').next());
        tracing::info!(task = task.id, path, said, "S3 refuses an export");
        Err(refused(action.unwrap_or_default()))
    }

    fn request(&self, method: &Method, path: &str, body: &Bytes) -> Option<Request> {
        let Self { rds, task } = self;
        let service = Caller::service(SERVICE, (SERVICE, &task.role), &task.snapshot.arn(), "s3");
        let mut request = http::Request::builder()
            .method(method.clone())
            .uri(format!("/{}{path}", task.bucket))
            .header("host", "s3.sandbox.invalid")
            .header("content-length", body.len())
            .extension(Caller { account: rds.account.into(), ..service });
        if method == Method::PUT {
            request = request
                .header("x-amz-server-side-encryption", "aws:kms")
                .header("x-amz-server-side-encryption-aws-kms-key-id", &task.key);
        }
        // None: the owner's name of the bucket is no part of a URI.
        request.body(body.clone()).ok()
    }
}

/// The path of an object, encoded.
fn object(key: &str) -> String {
    let encode = |part: &str| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
    key.split('/').fold(String::new(), |path, part| format!("{path}/{}", encode(part)))
}
