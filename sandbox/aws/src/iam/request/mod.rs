//! Which accesses a call is: the action on each resource that it names, and the actions that AWS
//! checks along with it.

mod keys;
mod others;
mod rds;
mod s3;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::condition::Keys;
use super::evaluate::Access;
use super::table;
use crate::aws::{REGION, account_of, arn_in};
use crate::http::{Caller, Request};
use crate::rds::Rds;
use crate::s3::S3;
use crate::secretsmanager::SecretsManager;

/// Where tags, keys and the like of a resource are looked up.
pub struct World {
    pub rds: Arc<Rds>,
    pub s3: Arc<S3>,
    pub secrets: Arc<SecretsManager>,
    /// The roles that a task of a family of task definitions gets: its own, and the one with which
    /// ECS starts it.
    pub task_roles: BTreeMap<String, Vec<String>>,
}

/// A call as it is looked at.
struct Call<'a> {
    caller: &'a Caller,
    operation: &'a str,
    request: &'a Request,
    world: &'a World,
}

/// Empty when the call needs no permission; none when the table does not know it.
pub fn accesses(world: &World, caller: &Caller, operation: &str, request: &Request) -> Option<Vec<Access>> {
    let call = Call { caller, operation, request, world };
    let mut found = match caller.service.as_str() {
        "rds" => rds::accesses(&call),
        "s3" => s3::accesses(&call),
        "ec2" => others::ec2(&call),
        "sts" => others::sts(&call),
        "lambda" => others::lambda(&call),
        _ => others::json(&call),
    }?;
    for access in &mut found {
        complete(world, caller, access)?;
    }
    Some(found)
}

/// The keys that every request has, and the tags of the resource.
fn complete(world: &World, caller: &Caller, access: &mut Access) -> Option<()> {
    let (service, _) = access.action.split_once(':')?;
    let action = table::action(&access.action)?;
    let kind = table::kind(service, &access.resource);
    let keys = &mut access.keys;
    // AWS is reached by TLS, whatever stands before the sandbox.
    keys.set("aws:SecureTransport", "true");
    for (tag, value) in tags(world, caller, service, &access.resource) {
        keys.set(&format!("aws:ResourceTag/{tag}"), value.clone());
        // These two have no such key of their own (Service Authorization Reference).
        let has_key = |kind: &&str| service == "rds" && !["deployment", "integration"].contains(kind);
        if let Some(kind) = kind.filter(has_key) {
            keys.set(&format!("rds:{kind}-tag/{tag}"), value);
        }
    }
    debug_assert!(
        keys.names().all(|key| table::knows_key(service, action, kind, key)),
        "{access:?} has a key that the table does not know"
    );
    Some(())
}

/// Another account's tags are not seen: a shared snapshot shows none
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_Tagging.html).
fn tags(world: &World, caller: &Caller, service: &str, arn: &str) -> BTreeMap<String, String> {
    match service {
        "rds" if account_of(arn) == Some(&caller.account) => world.rds.tags_at(arn).unwrap_or_default(),
        "secretsmanager" => world.secrets.tags_at(&caller.account, arn),
        _ => BTreeMap::new(),
    }
}

impl Call<'_> {
    fn arn(&self, service: &str, resource: &str) -> String {
        arn_in(&self.caller.account, service, resource)
    }

    fn access(&self, action: &str, resource: String) -> Access {
        Access { action: action.to_owned(), resource, keys: Keys::default() }
    }

    fn body(&self) -> Value {
        serde_json::from_slice(self.request.body()).unwrap_or_default()
    }

    fn form(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.request.body()).into_owned().collect()
    }

    /// The path without its first slash, decoded.
    fn path(&self) -> String {
        let path = self.request.uri().path().trim_start_matches('/');
        percent_decode(path)
    }
}

fn percent_decode(text: &str) -> String {
    // `+` is itself in a path.
    let text = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("a={text}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn via(service: &str) -> String {
    format!("{service}.{REGION}.amazonaws.com")
}
