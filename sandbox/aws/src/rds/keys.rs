//! KMS keys, as far as RDS looks at them: whose they are and which accounts may use them.
//!
//! An account's default key, `alias/aws/rds`, is always there and its own; customer keys are
//! planted. Whoever may not use a key is told what is told of a key that does not exist
//! (awslabs/aurora-snapshot-tool #25, #29).

use std::collections::{BTreeMap, BTreeSet};

use super::Rds;
use super::error::Fault;
use crate::aws;

/// By ARN.
pub type Keys = BTreeMap<String, Key>;

pub struct Key {
    account: String,
    pub(super) alias: String,
    usable_by: BTreeSet<String>,
}

const DEFAULT_ALIAS: &str = "alias/aws/rds";

pub fn default_key(account: &str) -> String {
    aws::arn_in(account, "kms", &format!("key/00000000-0000-4000-8000-{account}"))
}

impl Rds {
    /// Lets an account have a customer key `alias/…`, whose key policy lets it and other accounts
    /// use it. Answers the key's ARN, which is that of the key that has the alias if there is one.
    pub fn plant_key(&self, account: &str, alias: &str, usable_by: &[&str]) -> String {
        let mut keys = self.shared.keys.lock();
        let known = keys.iter().find(|(_, key)| key.account == account && key.alias == alias);
        let arn = match known {
            Some((arn, _)) => arn.clone(),
            None => aws::arn_in(account, "kms", &format!("key/{}", self.world().random_uuid())),
        };
        let usable_by = usable_by.iter().copied().chain([account]).map(str::to_owned).collect();
        let key = Key { account: account.to_owned(), alias: alias.to_owned(), usable_by };
        keys.insert(arn.clone(), key);
        arn
    }

    /// The same of a key that its own account alone uses so far, and whose ARN is given.
    pub fn plant_key_as(&self, arn: &str, alias: &str) {
        let account = aws::account_of(arn).unwrap_or_default().to_owned();
        let key = Key { usable_by: [account.clone()].into(), account, alias: alias.to_owned() };
        self.shared.keys.lock().insert(arn.to_owned(), key);
    }

    /// The ARN of a key that this account may use, named by key ARN, key id, alias ARN or alias.
    /// Only ARNs reach into the other account.
    pub(super) fn usable_key(&self, id: &str) -> Result<String, Fault> {
        self.find_key(id).ok_or_else(|| not_accessible(&format!("Specified KMS key [{id}]")))
    }

    fn find_key(&self, id: &str) -> Option<String> {
        let default = default_key(self.account);
        let is_default =
            [&default, &aws::arn_in(self.account, "kms", DEFAULT_ALIAS)].contains(&&id.to_owned());
        if is_default || id == DEFAULT_ALIAS || default.ends_with(&format!("/{id}")) {
            return Some(default);
        }
        let named = |arn: &str, key: &Key| {
            let own = key.account == self.account;
            arn == id
                || aws::arn_in(&key.account, "kms", &key.alias) == id
                || own && (key.alias == id || arn.rsplit('/').next() == Some(id))
        };
        let keys = self.shared.keys.lock();
        let found = keys.iter().find(|(arn, key)| named(arn, key) && key.usable_by.contains(self.account));
        found.map(|(arn, _)| arn.clone())
    }

    /// Whether what a snapshot's key encrypts can be read in this account.
    pub(super) fn readable(&self, key: Option<&str>) -> Result<(), Fault> {
        match key {
            Some(key) if self.find_key(key).is_none() => {
                Err(not_accessible(&format!("The source snapshot KMS key [{key}]")))
            }
            _ => Ok(()),
        }
    }
}

pub fn not_accessible(which: &str) -> Fault {
    let message =
        format!("{which} does not exist, is not enabled or you do not have permissions to access it.");
    Fault::new("KMSKeyNotAccessibleFault", message)
}
