//! What a service does with a customer's KMS key on the caller's behalf, and with the caller's
//! permissions. The keys that AWS manages allow their service everything
//! (https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk).

use super::{Call, via};
use crate::iam::evaluate::Access;

/// RDS encrypts a new volume or a copy with this key: grants for itself
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Overview.Encryption.Keys.html;
/// without kms:CreateGrant: awslabs/aurora-snapshot-tool#29), and what the page on sharing
/// (aurora-share-encrypted-snapshot) tells to allow for the data.
const NEW: [&str; 5] = ["CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKey", "ReEncryptTo"];
/// RDS reads what this key has encrypted.
const SOURCE: [&str; 5] = ["CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKey", "ReEncryptFrom"];

/// A clone shares its source's volume, and so its key. Which of the actions RDS asks for then, no
/// page says: assumed are those of a new volume, without what encrypts data again.
const CLONE: [&str; 4] = ["CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKey"];

pub fn clone(call: &Call<'_>, key: &str) -> Vec<Access> {
    use_of(call, "rds", key, &CLONE)
}

pub fn new(call: &Call<'_>, key: &str) -> Vec<Access> {
    use_of(call, "rds", key, &NEW)
}

pub fn source(call: &Call<'_>, key: &str) -> Vec<Access> {
    use_of(call, "rds", key, &SOURCE)
}

/// The caller of StartExportTask lends the key to the task
/// (https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_StartExportTask.html, KmsKeyId).
pub fn export(call: &Call<'_>, key: &str) -> Vec<Access> {
    use_of(call, "rds", key, &["CreateGrant", "DescribeKey"])
}

/// The key that AWS manages for Secrets Manager, of which RDS makes sure before it makes a secret.
pub fn of_managed_secrets(call: &Call<'_>) -> Vec<Access> {
    let mut looks = use_of(call, "rds", &call.arn("kms", "key/aws-secretsmanager"), &["DescribeKey"]);
    for look in &mut looks {
        look.keys.set_all("kms:ResourceAliases", vec!["alias/aws/secretsmanager".to_owned()]);
    }
    looks
}

pub fn use_of(call: &Call<'_>, service: &str, key: &str, actions: &[&str]) -> Vec<Access> {
    let one = |action: &&str| {
        let mut access = call.access(&format!("kms:{action}"), key.to_owned());
        access.keys.set("kms:ViaService", via(service));
        access.keys.set("kms:CallerAccount", call.caller.account.clone());
        if *action == "CreateGrant" {
            access.keys.set("kms:GrantIsForAWSResource", "true");
        }
        access
    };
    actions.iter().map(one).collect()
}
