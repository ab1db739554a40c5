//! Snapshots that one account lets others restore and copy
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-share-snapshot.html):
//! manual ones, not encrypted with the default key. They stay the owner's: when it unshares or
//! deletes one, the others have nothing.

use serde_json::{Value, json};

use super::error::Fault;
use super::keys::default_key;
use super::model::{Snapshot, no_snapshot};
use super::query::Input;
use super::snapshots::not_available;
use super::{Answer, Rds};
use crate::aws;

const MOST_ACCOUNTS: usize = 20;

impl Rds {
    /// An own snapshot by name or ARN, or one that another account shares, by its ARN.
    pub(super) fn usable_snapshot(&self, id: &str) -> Result<Snapshot, Fault> {
        let owner = aws::account_of(id).unwrap_or(self.account);
        let owner = self.in_account(owner).ok_or_else(|| no_snapshot(id))?;
        let world = owner.world();
        let found = world
            .snapshot(id)
            .ok()
            .filter(|snapshot| owner.account == self.account || shares(snapshot, self.account));
        found.cloned().ok_or_else(|| no_snapshot(id))
    }

    /// What others share with this account, and what they share with everybody.
    pub(super) fn snapshots_of_others(&self, shared: bool, public: bool) -> Vec<Snapshot> {
        let others = aws::ACCOUNTS
            .iter()
            .filter(|account| **account != self.account)
            .filter_map(|account| self.in_account(account));
        let mut found = Vec::new();
        for other in others {
            let world = other.world();
            let visible = world.snapshots.values().filter(|snapshot| {
                shared && snapshot.shared_with.contains(self.account)
                    || public && snapshot.shared_with.contains("all")
            });
            found.extend(visible.cloned().map(as_shared));
        }
        found
    }

    pub(super) fn describe_db_cluster_snapshot_attributes(&self, input: &Input) -> Answer {
        Ok(
            json!({"DBClusterSnapshotAttributesResult": attributes(self.world().snapshot(input.required("DBClusterSnapshotIdentifier")?)?)}),
        )
    }

    pub(super) fn modify_db_cluster_snapshot_attribute(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let snapshot = world.snapshot(input.required("DBClusterSnapshotIdentifier")?)?.clone();
        if input.required("AttributeName")? != "restore" {
            return Err(Fault::value(format!(
                "Invalid attribute name: {}",
                input.required("AttributeName")?
            )));
        }
        if snapshot.kind != "manual" || snapshot.status != "available" {
            return Err(not_available(&snapshot));
        }
        let both =
            input.texts("ValuesToAdd").into_iter().find(|id| input.texts("ValuesToRemove").contains(id));
        if let Some(account) = both {
            let message = format!("ValuesToAdd and ValuesToRemove both name {account}");
            return Err(Fault::value(message));
        }
        let mut shared = snapshot.shared_with.clone();
        for account in input.texts("ValuesToAdd") {
            let valid =
                account == "all" || (account.len() == 12 && account.chars().all(|c| c.is_ascii_digit()));
            if !valid {
                return Err(Fault::value(format!("Invalid account: {account}")));
            }
            shared.insert(account);
        }
        if snapshot.kms_key.is_some() && shared.contains("all") {
            return Err(Fault::new(
                "InvalidDBClusterSnapshotStateFault",
                "An encrypted snapshot can't be made public.",
            ));
        }
        if !input.texts("ValuesToAdd").is_empty() && snapshot.kms_key == Some(default_key(self.account)) {
            let message = "A snapshot that is encrypted with the account's default key can't be shared.";
            return Err(Fault::new("InvalidDBClusterSnapshotStateFault", message));
        }
        shared.retain(|account| !input.texts("ValuesToRemove").contains(account));
        if shared.len() > MOST_ACCOUNTS {
            let message = format!("A snapshot can be shared with at most {MOST_ACCOUNTS} accounts.");
            return Err(Fault::new("SharedSnapshotQuotaExceeded", message));
        }
        let snapshot = Snapshot { shared_with: shared, ..snapshot };
        let answer = json!({"DBClusterSnapshotAttributesResult": attributes(&snapshot)});
        world.snapshots.insert(snapshot.id.clone(), snapshot);
        Ok(answer)
    }
}

fn shares(snapshot: &Snapshot, account: &str) -> bool {
    snapshot.shared_with.contains(account) || snapshot.shared_with.contains("all")
}

/// As another account sees it: named by its ARN, of its own type, without the owner's tags
/// (awslabs/aurora-snapshot-tool reads both: `SnapshotType == 'shared'`, the ARN in
/// `DBClusterSnapshotIdentifier`).
pub fn as_shared(snapshot: Snapshot) -> Snapshot {
    let kind = if snapshot.shared_with.contains("all") { "public" } else { "shared" };
    Snapshot { id: snapshot.arn(), kind, tags: Default::default(), ..snapshot }
}

fn attributes(snapshot: &Snapshot) -> Value {
    json!({
        "DBClusterSnapshotIdentifier": snapshot.id,
        "DBClusterSnapshotAttributes": [{"AttributeName": "restore",
                "AttributeValues": snapshot.shared_with}],
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;
    use crate::aws::{ACCOUNT, PRODUCTION, arn_in};

    const ENGINE: (&str, &str) = ("Engine", "aurora-postgresql");
    const VERSION: (&str, &str) = ("EngineVersion", "16.14");

    /// Production's cluster `orders`, encrypted with that key; `None` is the default key,
    /// `Some("")` no encryption.
    async fn production(sandbox: &Sandbox, key: Option<&str>) -> Sandbox {
        let production = sandbox.as_production();
        let mut form = vec![
            ("DBClusterIdentifier", "orders"),
            ENGINE,
            VERSION,
            ("MasterUsername", "root"),
            ("MasterUserPassword", "long-enough"),
        ];
        match key {
            Some("") => {}
            Some(key) => form.extend([("StorageEncrypted", "true"), ("KmsKeyId", key)]),
            None => form.push(("StorageEncrypted", "true")),
        }
        production.ok("CreateDBCluster", &form).await;
        production.pass(120).await;
        let snapshot = [("DBClusterIdentifier", "orders"), ("DBClusterSnapshotIdentifier", "nightly")];
        production.ok("CreateDBClusterSnapshot", &snapshot).await;
        production.pass(150).await;
        production
    }

    async fn share(owner: &Sandbox, snapshot: &str, with: &str) {
        let form = [
            ("DBClusterSnapshotIdentifier", snapshot),
            ("AttributeName", "restore"),
            ("ValuesToAdd.AttributeValue.1", with),
        ];
        owner.ok("ModifyDBClusterSnapshotAttribute", &form).await;
    }

    fn nightly() -> String {
        arn_in(PRODUCTION, "rds", "cluster-snapshot:nightly")
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_of_one_account_is_visible_in_the_other() {
        let home = Sandbox::with_cluster().await;
        let production = production(&home, None).await;
        assert_eq!(
            production.cluster("orders").await.text("DBClusterArn"),
            arn_in(PRODUCTION, "rds", "cluster:orders")
        );
        assert_eq!(
            home.cluster("orders").await.text("DBClusterArn"),
            arn_in(ACCOUNT, "rds", "cluster:orders")
        );
        let foreign = arn_in(PRODUCTION, "rds", "cluster:orders");
        assert_eq!(
            home.refused("DescribeDBClusters", &[("DBClusterIdentifier", &foreign)]).await.0,
            "DBClusterNotFoundFault"
        );
        assert!(production.ok("DescribeDBInstances", &[]).await.all("DBInstanceIdentifier").is_empty());
        assert!(
            home.ok("DescribeDBClusterSnapshots", &[("IncludeShared", "true")])
                .await
                .all("DBClusterSnapshot")
                .is_empty()
        );
        let snapshot = [("DBClusterSnapshotIdentifier", &*nightly())];
        assert_eq!(
            home.refused("DescribeDBClusterSnapshots", &snapshot).await.0,
            "DBClusterSnapshotNotFoundFault"
        );
        assert_eq!(
            home.refused("ListTagsForResource", &[("ResourceName", &*nightly())]).await.0,
            "InvalidParameterValue"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_shared_snapshot_is_seen_and_restored_by_its_arn_until_it_is_unshared() {
        let home = Sandbox::new();
        let key = home.rds.plant_key(PRODUCTION, "alias/shared", &[ACCOUNT]);
        let production = production(&home, Some("alias/shared")).await;
        share(&production, "nightly", ACCOUNT).await;
        for form in [
            ("IncludeShared", "true"),
            ("SnapshotType", "shared"),
            ("DBClusterSnapshotIdentifier", &*nightly()),
        ] {
            let seen = home.ok("DescribeDBClusterSnapshots", &[form]).await;
            let named = (
                seen.text("DBClusterSnapshotIdentifier"),
                seen.text("DBClusterSnapshotArn"),
                seen.text("SnapshotType"),
            );
            assert_eq!(named, (&*nightly(), &*nightly(), "shared"), "{form:?}");
            assert_eq!(seen.text("KmsKeyId"), key);
        }
        for form in [[("SnapshotType", "manual")].as_slice(), &[]] {
            assert!(
                home.ok("DescribeDBClusterSnapshots", form).await.all("DBClusterSnapshot").is_empty(),
                "{form:?}"
            );
        }
        let by_name = [("DBClusterIdentifier", "copy"), ("SnapshotIdentifier", "nightly"), ENGINE, VERSION];
        assert_eq!(
            home.refused("RestoreDBClusterFromSnapshot", &by_name).await.0,
            "DBClusterSnapshotNotFoundFault"
        );
        let by_arn = [by_name[0], ("SnapshotIdentifier", &*nightly()), ENGINE, VERSION];
        home.ok("RestoreDBClusterFromSnapshot", &by_arn).await;
        home.pass(150).await;
        let copy = home.cluster("copy").await;
        assert_eq!(
            (copy.text("Status"), copy.text("KmsKeyId"), copy.text("StorageEncrypted")),
            ("available", &*key, "true")
        );
        // The other account cannot share on, nor see with whom it is shared, nor delete.
        let attributes = [("DBClusterSnapshotIdentifier", &*nightly())];
        for action in ["DescribeDBClusterSnapshotAttributes", "DeleteDBClusterSnapshot"] {
            assert_eq!(
                home.refused(action, &attributes).await.0,
                "DBClusterSnapshotNotFoundFault",
                "{action}"
            );
        }

        let unshare = [
            ("DBClusterSnapshotIdentifier", "nightly"),
            ("AttributeName", "restore"),
            ("ValuesToRemove.AttributeValue.1", ACCOUNT),
        ];
        production.ok("ModifyDBClusterSnapshotAttribute", &unshare).await;
        assert_eq!(
            home.refused("DescribeDBClusterSnapshots", &attributes).await.0,
            "DBClusterSnapshotNotFoundFault"
        );
        share(&production, "nightly", ACCOUNT).await;
        production.ok("DeleteDBClusterSnapshot", &[("DBClusterSnapshotIdentifier", "nightly")]).await;
        assert_eq!(
            home.refused("DescribeDBClusterSnapshots", &attributes).await.0,
            "DBClusterSnapshotNotFoundFault"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_encrypted_copy_across_accounts_names_its_own_key() {
        let home = Sandbox::new();
        home.rds.plant_key(PRODUCTION, "alias/shared", &[ACCOUNT]);
        home.rds.plant_key(PRODUCTION, "alias/private", &[]);
        let key = home.rds.plant_key(ACCOUNT, "alias/environments", &[]);
        let production = production(&home, Some("alias/shared")).await;
        share(&production, "nightly", ACCOUNT).await;
        let copy = [
            ("SourceDBClusterSnapshotIdentifier", &*nightly()),
            ("TargetDBClusterSnapshotIdentifier", "mine"),
        ];
        let (code, message) = home.refused("CopyDBClusterSnapshot", &copy).await;
        assert_eq!(code, "KMSKeyNotAccessibleFault");
        assert!(message.starts_with("Specified KMS key [None] does not exist"), "{message}");
        for alias in ["alias/shared", "alias/none"] {
            let code =
                home.refused("CopyDBClusterSnapshot", &[copy[0], copy[1], ("KmsKeyId", alias)]).await.0;
            assert_eq!(code, "KMSKeyNotAccessibleFault", "{alias}");
        }
        home.ok("CopyDBClusterSnapshot", &[copy[0], copy[1], ("KmsKeyId", "alias/environments")]).await;
        home.pass(150).await;
        let mine = home.ok("DescribeDBClusterSnapshots", &[]).await;
        assert_eq!((mine.text("KmsKeyId"), mine.text("SourceDBClusterSnapshotArn")), (&*key, &*nightly()));
        assert_eq!((mine.text("Status"), mine.text("SnapshotType")), ("available", "manual"));

        // A key that only production may use: it can be shared, and is of no use.
        let private = [
            ("SourceDBClusterSnapshotIdentifier", "nightly"),
            ("TargetDBClusterSnapshotIdentifier", "private"),
        ];
        production
            .ok("CopyDBClusterSnapshot", &[private[0], private[1], ("KmsKeyId", "alias/private")])
            .await;
        production.pass(150).await;
        share(&production, "private", ACCOUNT).await;
        let arn = arn_in(PRODUCTION, "rds", "cluster-snapshot:private");
        let form = [
            ("SourceDBClusterSnapshotIdentifier", &*arn),
            ("TargetDBClusterSnapshotIdentifier", "b"),
            ("KmsKeyId", "alias/aws/rds"),
        ];
        let (code, message) = home.refused("CopyDBClusterSnapshot", &form).await;
        assert!(
            code == "KMSKeyNotAccessibleFault" && message.starts_with("The source snapshot KMS key"),
            "{message}"
        );
        let form = [("DBClusterIdentifier", "b"), ("SnapshotIdentifier", &*arn), ENGINE, VERSION];
        assert_eq!(home.refused("RestoreDBClusterFromSnapshot", &form).await.0, "KMSKeyNotAccessibleFault");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_shared_is_refused() {
        let sandbox = Sandbox::new();
        let production = production(&sandbox, None).await;
        let rds = sandbox.rds.in_account(PRODUCTION).unwrap();
        let automated =
            rds.take_automated_snapshot_at("orders", "2026-09-01T02:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(automated, "rds:orders-2026-09-01-02-00");
        production.pass(150).await;
        let form = |id, account| {
            [
                ("DBClusterSnapshotIdentifier", id),
                ("AttributeName", "restore"),
                ("ValuesToAdd.AttributeValue.1", account),
            ]
        };
        for (snapshot, account) in [("nightly", ACCOUNT), (&automated, ACCOUNT), ("nightly", "all")] {
            let code =
                production.refused("ModifyDBClusterSnapshotAttribute", &form(snapshot, account)).await.0;
            assert_eq!(code, "InvalidDBClusterSnapshotStateFault", "{snapshot} {account}");
        }
        // The way out: a copy with a customer key.
        sandbox.rds.plant_key(PRODUCTION, "alias/shared", &[ACCOUNT]);
        let copy = [
            ("SourceDBClusterSnapshotIdentifier", &*automated),
            ("TargetDBClusterSnapshotIdentifier", "copy"),
        ];
        production.ok("CopyDBClusterSnapshot", &[copy[0], copy[1], ("KmsKeyId", "alias/shared")]).await;
        let early = production.refused("ModifyDBClusterSnapshotAttribute", &form("copy", ACCOUNT)).await;
        assert_eq!(early.0, "InvalidDBClusterSnapshotStateFault");
        production.pass(150).await;
        share(&production, "copy", ACCOUNT).await;
        let many: Vec<String> = (0..20).map(|n| format!("{n:012}")).collect();
        let names: Vec<String> = (1..=20).map(|n| format!("ValuesToAdd.AttributeValue.{n}")).collect();
        let mut too_many = vec![("DBClusterSnapshotIdentifier", "copy"), ("AttributeName", "restore")];
        too_many.extend(names.iter().map(String::as_str).zip(many.iter().map(String::as_str)));
        assert_eq!(
            production.refused("ModifyDBClusterSnapshotAttribute", &too_many).await.0,
            "SharedSnapshotQuotaExceeded"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_unencrypted_snapshot_is_not_encrypted_by_copying_and_given_tags_win() {
        let sandbox = Sandbox::new();
        let production = production(&sandbox, Some("")).await;
        let copy = [
            ("SourceDBClusterSnapshotIdentifier", "nightly"),
            ("TargetDBClusterSnapshotIdentifier", "copy"),
            ("CopyTags", "true"),
        ];
        let encrypt = [copy[0], copy[1], ("KmsKeyId", "alias/aws/rds")];
        assert_eq!(
            production.refused("CopyDBClusterSnapshot", &encrypt).await.0,
            "InvalidParameterCombination"
        );
        let tag = [("ResourceName", &*nightly()), ("Tags.Tag.1.Key", "owner"), ("Tags.Tag.1.Value", "shop")];
        production.ok("AddTagsToResource", &tag).await;
        let own = [copy[0], copy[1], copy[2], ("Tags.Tag.1.Key", "run"), ("Tags.Tag.1.Value", "1")];
        assert_eq!(production.ok("CopyDBClusterSnapshot", &own).await.all("Key"), ["run"]);
        // Deleting a copy cancels it; the next of that name takes its own time.
        production.pass(100).await;
        production.ok("DeleteDBClusterSnapshot", &[("DBClusterSnapshotIdentifier", "copy")]).await;
        assert_eq!(production.ok("CopyDBClusterSnapshot", &copy).await.all("Key"), ["owner"]);
        production.pass(60).await;
        let seen =
            production.ok("DescribeDBClusterSnapshots", &[("DBClusterSnapshotIdentifier", "copy")]).await;
        assert_eq!(seen.text("Status"), "copying");
    }
}
