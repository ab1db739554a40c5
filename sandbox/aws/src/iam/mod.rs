//! Identity and Access Management: every call of a role is allowed by its policies, or denied.
//!
//! Roles and resource policies are handed in, as they would be deployed. People are administrators
//! of their account. What is allowed is noted, so that a test can ask what was granted and never
//! used.

pub mod condition;
mod denied;
pub mod evaluate;
pub mod policy;
mod request;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

use crate::aws::account_of;
use crate::http::{Caller, Request, Response};
use condition::Keys;
use evaluate::{Access, Denial, Identity, OfResource, evaluate};
use policy::{Pattern, Policy};
pub use request::World;

#[derive(Debug, Clone)]
pub struct Role {
    /// `arn:aws:iam::444455556666:role/…`
    pub arn: String,
    pub trust: Policy,
    pub policy: Policy,
}

/// Who has which access key.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The ARN of its role.
    pub role: String,
    /// The service that assumes the role: `lambda.amazonaws.com`.
    pub service: &'static str,
    /// For which of its resources: the function, or the tasks of a cluster.
    pub source_arn: String,
}

/// What is deployed.
#[derive(Debug, Default)]
pub struct Deployed {
    pub roles: Vec<Role>,
    pub principals: BTreeMap<String, Principal>,
    /// By the ARNs that they stand on: buckets, objects and functions.
    pub resource_policies: Vec<(Pattern, Policy)>,
    /// By alias. Any other key leaves all to its account, as the default key policy does
    /// (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html).
    pub key_policies: BTreeMap<String, Policy>,
}

pub struct Iam {
    world: World,
    roles: BTreeMap<String, Role>,
    principals: BTreeMap<String, Principal>,
    resource_policies: Vec<(Pattern, Policy)>,
    key_policies: BTreeMap<String, Policy>,
    /// By a role's ARN.
    used: Mutex<BTreeMap<String, BTreeSet<String>>>,
    denied: Mutex<Vec<Denied>>,
}

/// Why a call is denied.
#[derive(Debug, Clone, PartialEq)]
pub struct Denied {
    pub user: String,
    pub action: String,
    pub resource: String,
    pub denial: Denial,
}

impl Iam {
    pub fn new(world: World, deployed: Deployed) -> Self {
        let Deployed { roles, principals, resource_policies, key_policies } = deployed;
        Self {
            world,
            roles: roles.into_iter().map(|role| (role.arn.clone(), role)).collect(),
            principals,
            resource_policies,
            key_policies,
            used: Mutex::default(),
            denied: Mutex::default(),
        }
    }

    pub fn role(&self, arn: &str) -> Option<&Role> {
        self.roles.get(arn)
    }

    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.values()
    }

    /// The actions that each role was allowed so far, by its ARN.
    pub fn used(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.used.lock().clone()
    }

    /// Every call that was denied so far.
    pub fn denied(&self) -> Vec<Denied> {
        self.denied.lock().clone()
    }

    /// The answer to a call that is not allowed; none when it is.
    pub fn refusal(&self, caller: &Caller, operation: &str, request: &Request) -> Option<Response> {
        let denied = self.authorize(caller, operation, request).err()?;
        tracing::info!(?denied, "denied");
        let answer = denied.answer(&caller.service);
        self.denied.lock().push(denied);
        Some(answer)
    }

    fn authorize(&self, caller: &Caller, operation: &str, request: &Request) -> Result<(), Denied> {
        let (identity, lent_by) = self.identity(caller);
        let is_administrator = matches!(identity, Identity::Administrator(_));
        // A role or a bus of another account lets in whom its own policy names.
        if is_administrator && !matches!(operation, "AssumeRole" | "PutEvents") {
            return Ok(());
        }
        if let Some((service, source_arn)) = lent_by {
            self.trusts(&identity, service, source_arn, caller)?;
        }
        let Some(accesses) = request::accesses(&self.world, caller, operation, request) else {
            return Err(Denied {
                user: identity.name().to_owned(),
                action: format!("{}:{operation}", caller.service),
                resource: "*".to_owned(),
                denial: Denial::NoIdentity,
            });
        };
        // What a role may do, cut down for one session
        // (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session).
        let of_session = caller.session.as_ref().and_then(|session| session.policy.as_deref());
        let of_session = of_session.map(session_policy);
        for mut access in accesses {
            if let Identity::Role { arn, .. } = &identity {
                access.keys.set("aws:PrincipalArn", arn.clone());
            }
            access.keys.set("aws:PrincipalAccount", caller.account.clone());
            if let Some(source) = &caller.source_arn {
                access.keys.set("aws:SourceArn", source.clone());
                access.keys.set("aws:SourceAccount", caller.account.clone());
            }
            self.decide(&identity, &access)?;
            if let Some(policy) = &of_session {
                let own = OfResource { policy: None, account: identity.account(), decides: false };
                evaluate(&access, &identity, Some(policy), own).map_err(|denial| Denied {
                    user: identity.name().to_owned(),
                    action: access.action.clone(),
                    resource: access.resource.clone(),
                    denial,
                })?;
            }
        }
        Ok(())
    }

    /// Who calls, and the service that lends it its role, with the ARN of what it is lent to.
    fn identity<'a>(&'a self, caller: &'a Caller) -> (Identity, Option<(&'a str, &'a str)>) {
        let Caller { principal, account, .. } = caller;
        let role = |name: &str, session: &str| Identity::Role {
            arn: format!("arn:aws:iam::{account}:role/{name}"),
            session: format!("arn:aws:sts::{account}:assumed-role/{name}/{session}"),
        };
        if let Some(session) = &caller.session {
            let lent_by = session.service.zip(caller.source_arn.as_deref());
            return (role(&session.role, &session.name), lent_by);
        }
        match self.principals.get(principal) {
            Some(Principal { role: arn, service, source_arn }) => {
                let name = arn.rsplit('/').next().unwrap_or_default();
                (role(name, principal), Some((service, source_arn)))
            }
            None if principal.ends_with(".amazonaws.com") => (Identity::Service(principal.clone()), None),
            None => (Identity::Administrator(format!("arn:aws:iam::{account}:user/{principal}")), None),
        }
    }

    /// A service lends a role only if the role's trust policy lets it.
    fn trusts(
        &self,
        identity: &Identity,
        service: &str,
        source_arn: &str,
        caller: &Caller,
    ) -> Result<(), Denied> {
        let Identity::Role { arn, .. } = identity else { return Ok(()) };
        let keys = Keys::default()
            .with("aws:SourceAccount", caller.account.clone())
            .with("aws:SourceArn", source_arn);
        let assume = Access { action: "sts:AssumeRole".into(), resource: arn.clone(), keys };
        self.decide(&Identity::Service(service.to_owned()), &assume)
    }

    /// Whether an identity may do that, by all policies that say something about it.
    pub fn decide(&self, identity: &Identity, access: &Access) -> Result<(), Denied> {
        let denied = |denial| Denied {
            user: identity.name().to_owned(),
            action: access.action.clone(),
            resource: access.resource.clone(),
            denial,
        };
        let role = match identity {
            Identity::Role { arn, .. } => Some(self.roles.get(arn).ok_or(denied(Denial::NoIdentity))?),
            _ => None,
        };
        let default_key_policy;
        let of_resource = match access.action.split(':').next() {
            Some("kms") => {
                let alias = self.world.rds.alias_of_key(&access.resource);
                let policy = match alias.and_then(|alias| self.key_policies.get(&alias)) {
                    Some(policy) => policy,
                    None => {
                        default_key_policy = default_policy(&access.resource);
                        &default_key_policy
                    }
                };
                OfResource { policy: Some(policy), account: None, decides: true }
            }
            Some("sts") => OfResource {
                policy: self.roles.get(&access.resource).map(|role| &role.trust),
                account: None,
                decides: true,
            },
            // RDS has no resource policies. Its owner's side of a snapshot is that it is shared:
            // RDS looks at it itself, and does not find what is not shared.
            Some("rds") => OfResource { policy: None, account: identity.account(), decides: false },
            _ => {
                let stands = |(pattern, _): &&(Pattern, Policy)| pattern.matches(&access.resource);
                let policy = self.resource_policies.iter().find(stands).map(|(_, policy)| policy);
                OfResource { policy, account: None, decides: false }
            }
        };
        evaluate(access, identity, role.map(|role| &role.policy), of_resource).map_err(denied)?;
        if let Some(role) = role {
            let mut used = self.used.lock();
            used.entry(role.arn.clone()).or_default().insert(access.action.clone());
        }
        Ok(())
    }
}

/// One that cannot be read allows nothing.
fn session_policy(document: &str) -> Policy {
    let document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    Policy::parse(&document["Statement"]).unwrap_or_else(|error| {
        tracing::warn!(error = format!("{error:#}"), "read a session policy");
        Policy { statements: Vec::new() }
    })
}

fn default_policy(key: &str) -> Policy {
    let account = account_of(key).unwrap_or_default();
    let all = serde_json::json!([
        {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "kms:*", "Resource": "*"}
    ]);
    Policy::parse(&all).expect("the default key policy is valid")
}
