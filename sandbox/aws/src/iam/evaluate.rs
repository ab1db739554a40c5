//! Whether one access is allowed: a pure function of who asks, for what, and which policies there
//! are (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html).

use super::condition::Keys;
use super::policy::{Effect, Policy, Principal, Statement};
use crate::aws::account_of;

/// One action on one resource: most calls need several.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// `rds:ModifyDBCluster`
    pub action: String,
    /// An ARN, or `*` for an action that knows no resource.
    pub resource: String,
    pub keys: Keys,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Of a person: whatever the account may allow, it is allowed. The user's ARN.
    Administrator(String),
    Role {
        /// `arn:aws:iam::444455556666:role/…`
        arn: String,
        /// `arn:aws:sts::444455556666:assumed-role/…/…`
        session: String,
    },
    /// An AWS service on its own behalf, such as EventBridge that invokes a function.
    Service(String),
}

impl Identity {
    /// As error messages name it.
    pub fn name(&self) -> &str {
        match self {
            Self::Administrator(arn) | Self::Role { session: arn, .. } => arn,
            Self::Service(name) => name,
        }
    }

    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Administrator(arn) | Self::Role { arn, .. } => account_of(arn),
            Self::Service(_) => None,
        }
    }
}

/// What stands on the resource.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfResource<'a> {
    pub policy: Option<&'a Policy>,
    /// Whose it is: an ARN of S3 does not say.
    pub account: Option<&'a str>,
    /// Nothing is allowed that it does not allow: key policies and trust policies
    /// (https://docs.aws.amazon.com/kms/latest/developerguide/control-access-overview.html).
    pub decides: bool,
}

/// Why not, with the words of
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    ExplicitIdentity,
    ExplicitResource,
    NoIdentity,
    NoResource,
}

impl Denial {
    pub fn words(self, action: &str) -> String {
        match self {
            Self::ExplicitIdentity => "with an explicit deny in an identity-based policy".to_owned(),
            Self::ExplicitResource => "with an explicit deny in a resource-based policy".to_owned(),
            Self::NoIdentity => format!("because no identity-based policy allows the {action} action"),
            Self::NoResource => format!("because no resource-based policy allows the {action} action"),
        }
    }
}

pub fn evaluate(
    access: &Access,
    identity: &Identity,
    policy: Option<&Policy>,
    of_resource: OfResource<'_>,
) -> Result<(), Denial> {
    let own: Vec<&Statement> = applying(policy, access).collect();
    let theirs: Vec<(&Statement, Reach)> = applying(of_resource.policy, access)
        .filter_map(|statement| reach(statement, identity).map(|reach| (statement, reach)))
        .collect();
    if own.iter().any(|statement| statement.effect == Effect::Deny) {
        return Err(Denial::ExplicitIdentity);
    }
    if theirs.iter().any(|(statement, _)| statement.effect == Effect::Deny) {
        return Err(Denial::ExplicitResource);
    }
    let identity_allows = matches!(identity, Identity::Administrator(_)) || !own.is_empty();
    let best = theirs.iter().map(|(_, reach)| *reach).max();
    if let Identity::Service(_) = identity {
        return if best == Some(Reach::Named) { Ok(()) } else { Err(Denial::NoResource) };
    }
    let owner =
        of_resource.account.or_else(|| account_of(&access.resource).filter(|account| !account.is_empty()));
    let same_account = owner.is_none_or(|owner| identity.account() == Some(owner));
    match (same_account, of_resource.decides) {
        // In one account, a resource's policy that names the role is enough; that it lets the
        // account decide means that the identity's policy must allow it, too.
        (true, false) if identity_allows || best == Some(Reach::Named) => Ok(()),
        (true, false) => Err(Denial::NoIdentity),
        (true, true) => match best {
            Some(Reach::Named) => Ok(()),
            Some(Reach::Account) if identity_allows => Ok(()),
            Some(Reach::Account) => Err(Denial::NoIdentity),
            None => Err(Denial::NoResource),
        },
        // Both accounts must allow it.
        (false, _) if !identity_allows => Err(Denial::NoIdentity),
        (false, _) if best.is_some() => Ok(()),
        (false, _) => Err(Denial::NoResource),
    }
}

fn applying<'a>(policy: Option<&'a Policy>, access: &Access) -> impl Iterator<Item = &'a Statement> {
    let statements = policy.into_iter().flat_map(|policy| &policy.statements);
    statements.filter(move |statement| applies(statement, access))
}

fn applies(statement: &Statement, access: &Access) -> bool {
    statement.actions.iter().any(|action| action.matches_action(&access.action))
        && (statement.resources.is_empty()
            || statement.resources.iter().any(|resource| resource.matches(&access.resource)))
        && statement.conditions.iter().all(|condition| condition.holds(&access.keys))
}

/// How a principal of a resource's policy means an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// The account may allow it.
    Account,
    /// It is meant itself.
    Named,
}

fn reach(statement: &Statement, identity: &Identity) -> Option<Reach> {
    let one = |principal: &Principal| match (principal, identity) {
        (Principal::Anyone, _) => Some(Reach::Named),
        (Principal::Service(service), Identity::Service(name)) if service == name => Some(Reach::Named),
        (Principal::Arn(arn), Identity::Administrator(own)) if arn == own => Some(Reach::Named),
        (Principal::Arn(arn), Identity::Role { arn: own, session }) if arn == own || arn == session => {
            Some(Reach::Named)
        }
        (Principal::Account(account), identity) if identity.account() == Some(account) => {
            Some(Reach::Account)
        }
        _ => None,
    };
    statement.principals.iter().filter_map(one).max()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HOME: &str = "444455556666";
    const OTHER: &str = "111122223333";

    fn role() -> Identity {
        Identity::Role {
            arn: format!("arn:aws:iam::{HOME}:role/worker"),
            session: format!("arn:aws:sts::{HOME}:assumed-role/worker/1"),
        }
    }

    fn cluster(account: &str, tag: Option<&str>) -> Access {
        let mut keys = Keys::default();
        if let Some(tag) = tag {
            keys.set("aws:ResourceTag/managed-by", tag);
        }
        Access {
            action: "rds:DeleteDBCluster".into(),
            resource: format!("arn:aws:rds:eu-west-1:{account}:cluster:orders"),
            keys,
        }
    }

    fn asked(access: &Access, own: Value, of_resource: Option<Value>, decides: bool) -> Result<(), Denial> {
        let own = Policy::parse(&own).unwrap();
        let of_resource = of_resource.map(|policy| Policy::parse(&policy).unwrap());
        let of_resource = OfResource { policy: of_resource.as_ref(), account: None, decides };
        evaluate(access, &role(), Some(&own), of_resource)
    }

    fn allow(resource: &str) -> Value {
        json!({"Effect": "Allow", "Action": "rds:DeleteDBCluster", "Resource": resource})
    }

    #[test]
    fn what_no_policy_allows_is_denied() {
        let access = cluster(HOME, None);
        assert_eq!(asked(&access, json!([]), None, false), Err(Denial::NoIdentity));
        assert_eq!(asked(&access, json!([allow("*")]), None, false), Ok(()));
        let other = json!([{"Effect": "Allow", "Action": "rds:StopDBCluster", "Resource": "*"}]);
        assert_eq!(asked(&access, other, None, false), Err(Denial::NoIdentity));
        let instances = json!([allow("arn:aws:rds:eu-west-1:444455556666:db:*")]);
        assert_eq!(asked(&access, instances, None, false), Err(Denial::NoIdentity));
    }

    #[test]
    fn an_explicit_deny_wins_whoever_says_it() {
        let access = cluster(HOME, Some("me"));
        let deny = |principal: Value| {
            let mut statement = json!({"Effect": "Deny", "Action": "rds:*", "Resource": "*",
                "Condition": {"StringEquals": {"aws:ResourceTag/managed-by": "me"}}});
            if !principal.is_null() {
                statement["Principal"] = principal;
            }
            statement
        };
        let own = json!([allow("*"), deny(Value::Null)]);
        assert_eq!(asked(&access, own.clone(), None, false), Err(Denial::ExplicitIdentity));
        assert_eq!(asked(&cluster(HOME, None), own, None, false), Ok(()));
        let theirs = Some(json!([deny(json!("*"))]));
        assert_eq!(asked(&access, json!([allow("*")]), theirs, false), Err(Denial::ExplicitResource));
    }

    #[test]
    fn another_accounts_resource_needs_both_sides() {
        let access = cluster(OTHER, None);
        let theirs = |principal: Value| {
            let mut statement = allow("*");
            statement["Principal"] = principal;
            Some(json!([statement]))
        };
        assert_eq!(asked(&access, json!([allow("*")]), None, false), Err(Denial::NoResource));
        assert_eq!(asked(&access, json!([allow("*")]), theirs(json!({"AWS": HOME})), false), Ok(()));
        assert_eq!(asked(&access, json!([]), theirs(json!({"AWS": HOME})), false), Err(Denial::NoIdentity));
        let third = theirs(json!({"AWS": "999999999999"}));
        assert_eq!(asked(&access, json!([allow("*")]), third, false), Err(Denial::NoResource));
    }

    #[test]
    fn a_key_policy_decides_and_may_leave_it_to_the_account() {
        let access = cluster(HOME, None);
        let root = json!([{"Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "*", "Resource": "*"}]);
        assert_eq!(asked(&access, json!([allow("*")]), Some(root.clone()), true), Ok(()));
        assert_eq!(asked(&access, json!([]), Some(root), true), Err(Denial::NoIdentity));
        assert_eq!(asked(&access, json!([allow("*")]), Some(json!([])), true), Err(Denial::NoResource));
        let named = json!([{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:role/worker"},
            "Action": "*", "Resource": "*"}]);
        assert_eq!(asked(&access, json!([]), Some(named), true), Ok(()));
    }

    #[test]
    fn a_service_is_allowed_by_the_resource_that_names_it() {
        let access = cluster(HOME, None);
        let service = |name: &str| Identity::Service(name.to_owned());
        let policy = json!([{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
            "Action": "rds:DeleteDBCluster", "Resource": "*"}]);
        let policy = Policy::parse(&policy).unwrap();
        let of_resource = OfResource { policy: Some(&policy), ..OfResource::default() };
        assert_eq!(evaluate(&access, &service("events.amazonaws.com"), None, of_resource), Ok(()));
        let other = evaluate(&access, &service("scheduler.amazonaws.com"), None, of_resource);
        assert_eq!(other, Err(Denial::NoResource));
    }
}
