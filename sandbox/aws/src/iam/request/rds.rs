//! Calls of the RDS Query API.

use super::{Call, keys};
use crate::aws::{account_of, arn_in};
use crate::iam::condition::Keys;
use crate::iam::evaluate::Access;
use crate::iam::table::{self, Action};
use crate::rds::exports;

/// Which parameter names a resource of which type.
const NAMES: [(&str, &str); 19] = [
    ("DBClusterIdentifier", "cluster"),
    // Whether RDS checks a rename on the new name, too, no page says; the new name has no tags.
    ("NewDBClusterIdentifier", "cluster"),
    ("SourceDBClusterIdentifier", "cluster"),
    ("DBInstanceIdentifier", "db"),
    ("NewDBInstanceIdentifier", "db"),
    ("DBClusterSnapshotIdentifier", "cluster-snapshot"),
    ("SourceDBClusterSnapshotIdentifier", "cluster-snapshot"),
    ("TargetDBClusterSnapshotIdentifier", "cluster-snapshot"),
    ("SnapshotIdentifier", "cluster-snapshot"),
    ("FinalDBSnapshotIdentifier", "cluster-snapshot"),
    ("DBClusterParameterGroupName", "cluster-pg"),
    ("DBParameterGroupName", "pg"),
    ("DBInstanceParameterGroupName", "pg"),
    ("DBSubnetGroupName", "subgrp"),
    ("OptionGroupName", "og"),
    ("BlueGreenDeploymentIdentifier", "deployment"),
    ("TargetDBClusterParameterGroupName", "cluster-pg"),
    ("TargetDBParameterGroupName", "pg"),
    ("DBClusterEndpointIdentifier", "cluster-endpoint"),
];

/// Which type of resource a call makes, and so tags.
const MADE: [(&str, &str, &str); 7] = [
    ("CopyDBClusterSnapshot", "cluster-snapshot", "TargetDBClusterSnapshotIdentifier"),
    ("CreateDBClusterParameterGroup", "cluster-pg", "DBClusterParameterGroupName"),
    ("CreateDBClusterSnapshot", "cluster-snapshot", "DBClusterSnapshotIdentifier"),
    ("CreateDBInstance", "db", "DBInstanceIdentifier"),
    ("CreateDBParameterGroup", "pg", "DBParameterGroupName"),
    ("RestoreDBClusterFromSnapshot", "cluster", "DBClusterIdentifier"),
    ("RestoreDBClusterToPointInTime", "cluster", "DBClusterIdentifier"),
];

struct Form<'a>(&'a [(String, String)]);

impl Form<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        let keys = self.0.iter().filter(|(name, _)| name.starts_with("Tags.") && name.ends_with(".Key"));
        keys.map(|(name, key)| {
            let value = self.text(&format!("{}Value", name.trim_end_matches("Key")));
            (key.as_str(), value.unwrap_or(""))
        })
        .collect()
    }

    /// The tags and the settings that conditions may ask for.
    fn keys(&self, action: &Action) -> Keys {
        let mut keys = Keys::default();
        let mut set = |key: &str, value: &str| {
            if table::knows_key("rds", action, None, key) {
                keys.set(key, value);
            }
        };
        for (tag, value) in self.tags() {
            set(&format!("aws:RequestTag/{tag}"), value);
            set(&format!("rds:req-tag/{tag}"), value);
        }
        for (key, parameter) in [
            ("rds:ManageMasterUserPassword", "ManageMasterUserPassword"),
            ("rds:PubliclyAccessible", "PubliclyAccessible"),
        ] {
            if let Some(value) = self.text(parameter) {
                set(key, value);
            }
        }
        let tagged = self.tags();
        if !tagged.is_empty() && table::knows_key("rds", action, None, "aws:TagKeys") {
            keys.set_all("aws:TagKeys", tagged.into_iter().map(|(tag, _)| tag.to_owned()).collect());
        }
        keys
    }
}

pub fn accesses(call: &Call<'_>) -> Option<Vec<Access>> {
    let name = format!("rds:{}", call.operation);
    let action = table::action(&name)?;
    let form = call.form();
    let form = Form(&form);
    let keys = form.keys(action);
    let resources = resources(call, action, &form);
    let mut found: Vec<Access> = resources
        .into_iter()
        .map(|resource| Access { action: name.clone(), resource, keys: keys.clone() })
        .collect();
    found.extend(dependent(call, &form)?);
    Some(found)
}

fn resources(call: &Call<'_>, action: &Action, form: &Form<'_>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (parameter, kind) in NAMES {
        if let Some(id) = form.text(parameter).filter(|_| action.resources.contains_key(kind)) {
            found.push(arn(call, kind, id));
        }
    }
    let whole =
        ["ResourceName", "ResourceIdentifier", "SourceArn"].into_iter().filter_map(|name| form.text(name));
    found.extend(whole.map(str::to_owned));
    if call.operation == "CreateBlueGreenDeployment" {
        found.extend(form.text("Source").map(str::to_owned));
        // What is made has no identifier yet.
        found.push(arn(call, "deployment", "*"));
    }
    found.extend(defaults(call, form, &found));
    if found.is_empty() {
        // A describe of all asks for all of them.
        found.extend(action.resources.keys().map(|kind| arn(call, kind, "*")));
    }
    if found.is_empty() {
        found.push("*".to_owned());
    }
    found
}

/// Names are lower case; an ARN leads to another account's snapshot.
fn arn(call: &Call<'_>, kind: &str, id: &str) -> String {
    if id.starts_with("arn:") {
        return id.to_owned();
    }
    // The one whose ARN says more than its type.
    let kind = if kind == "proxy" { "db-proxy" } else { kind };
    call.arn("rds", &format!("{kind}:{}", id.to_lowercase()))
}

/// What a call uses without naming it: policies that allow the making of clusters and instances
/// have to name the default groups, too
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/security_iam_id-based-policy-examples.html).
fn defaults(call: &Call<'_>, form: &Form<'_>, named: &[String]) -> Vec<String> {
    let cluster =
        form.text("DBClusterIdentifier").and_then(|id| call.world.rds.seen(&call.caller.account, id));
    let (kinds, major): (&[&str], _) = match call.operation {
        "RestoreDBClusterFromSnapshot" | "RestoreDBClusterToPointInTime" => {
            let source = form.text("SourceDBClusterIdentifier");
            let source = source.and_then(|id| call.world.rds.seen(&call.caller.account, id));
            let version = form.text("EngineVersion").map(str::to_owned);
            let version = version.or(source.map(|seen| seen.engine_version)).unwrap_or_default();
            (&["cluster-pg", "og", "subgrp"], version)
        }
        "CreateDBInstance" => (
            &["og", "pg", "subgrp"],
            cluster.as_ref().map(|seen| seen.engine_version.clone()).unwrap_or_default(),
        ),
        _ => return Vec::new(),
    };
    let major = major.split('.').next().unwrap_or_default();
    let absent = kinds.iter().filter(|kind| !named.iter().any(|arn| table::kind("rds", arn) == Some(kind)));
    absent
        .map(|kind| {
            let id = match *kind {
                "og" => format!("default:aurora-postgresql-{major}"),
                "subgrp" => cluster.as_ref().map_or("default", |seen| &seen.subnet_group).to_owned(),
                _ => format!("default.aurora-postgresql{major}"),
            };
            arn(call, kind, &id)
        })
        .collect()
}

fn dependent(call: &Call<'_>, form: &Form<'_>) -> Option<Vec<Access>> {
    let rds = &call.world.rds;
    let account = &call.caller.account;
    let mut found = Vec::new();
    if let Some((_, kind, parameter)) = MADE.iter().find(|(operation, ..)| *operation == call.operation)
        && !form.tags().is_empty()
    {
        let id = form.text(parameter)?;
        let mut access = call.access("rds:AddTagsToResource", arn(call, kind, id));
        access.keys = form.keys(table::action("rds:AddTagsToResource")?);
        found.push(access);
    }
    if let Some(key) = form.text("KmsKeyId").and_then(|id| rds.customer_key(account, id)) {
        found.extend(match call.operation {
            "StartExportTask" => keys::export(call, &key),
            _ => keys::new(call, &key),
        });
    }
    if let Some(role) = form.text("RoleArn").filter(|_| call.operation == "AddRoleToDBCluster") {
        let mut pass = call.access("iam:PassRole", role.to_owned());
        pass.keys.set("iam:PassedToService", "rds.amazonaws.com");
        found.push(pass);
    }
    if let Some(role) = form.text("IamRoleArn").filter(|_| call.operation == "StartExportTask") {
        let mut pass = call.access("iam:PassRole", role.to_owned());
        pass.keys.set("iam:PassedToService", exports::SERVICE);
        found.push(pass);
    }
    found.extend(blue_green(call, form));
    let source = form.text("SnapshotIdentifier").or(form.text("SourceDBClusterSnapshotIdentifier"));
    if let Some(key) = source.and_then(|id| rds.customer_key_of_snapshot(account, id)) {
        found.extend(keys::source(call, &key));
    }
    let cloned = form.text("SourceDBClusterIdentifier");
    if let Some(key) = cloned.and_then(|id| rds.customer_key_of_cluster(account, id)) {
        found.extend(keys::clone(call, &key));
    }
    if let Some(seen) = form.text("DBClusterIdentifier").and_then(|id| rds.seen(account, id))
        && call.operation == "ModifyDBCluster"
    {
        // The reference lists rds:ModifyDBInstance among what ModifyDBCluster may need, and not
        // when: an upgrade changes every instance.
        if form.text("EngineVersion").is_some() {
            let one = |id: &String| call.access("rds:ModifyDBInstance", arn(call, "db", id));
            found.extend(seen.members.iter().map(one));
        }
        // https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html,
        // "Permissions required"; kms:DescribeKey on the default key was denied to
        // aws-ia/terraform-aws-eks-ack-addons#45.
        if form.text("ManageMasterUserPassword") == Some("true") {
            let secret = arn_in(account, "secretsmanager", &format!("secret:rds!{}", seen.resource_id));
            for action in ["secretsmanager:CreateSecret", "secretsmanager:TagResource"] {
                found.push(call.access(action, secret.clone()));
            }
            found.extend(keys::of_managed_secrets(call));
        }
    }
    debug_assert!(found.iter().all(|access| account_of(&access.resource).is_some()));
    Some(found)
}

/// What the calls on blue/green deployments do along with themselves
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/blue-green-deployments-authorizing-access.html).
/// "Name patterns, such as my-prefix-*, don't work": whatever is made or changed has any name, and
/// only its tags tell. Assumed: which types of resources, the required ones of each action.
fn blue_green(call: &Call<'_>, form: &Form<'_>) -> Vec<Access> {
    const MADE: [(&str, &[&str]); 4] = [
        ("rds:CreateDBCluster", &["cluster", "cluster-pg", "og", "subgrp"]),
        ("rds:CreateDBInstance", &["db"]),
        ("rds:CreateDBClusterEndpoint", &["cluster", "cluster-endpoint"]),
        ("rds:AddTagsToResource", &["cluster", "db", "deployment"]),
    ];
    const SWITCHED: [(&str, &[&str]); 2] =
        [("rds:ModifyDBCluster", &["cluster"]), ("rds:PromoteReadReplicaDBCluster", &["cluster"])];
    const DELETED: [(&str, &[&str]); 3] = [
        ("rds:DeleteDBCluster", &["cluster", "cluster-snapshot"]),
        ("rds:DeleteDBInstance", &["db"]),
        ("rds:DeleteDBClusterEndpoint", &["cluster-endpoint"]),
    ];
    let actions: &[(&str, &[&str])] = match call.operation {
        "CreateBlueGreenDeployment" => &MADE,
        "SwitchoverBlueGreenDeployment" => &SWITCHED,
        "DeleteBlueGreenDeployment" => &DELETED,
        _ => return Vec::new(),
    };
    let deployment = form.text("BlueGreenDeploymentIdentifier");
    let tags = deployment.and_then(|id| call.world.rds.tags_of_blue(&call.caller.account, id));
    let mut found = Vec::new();
    for (action, kinds) in actions {
        let known = table::action(action);
        for kind in *kinds {
            let mut access = call.access(action, arn(call, kind, "*"));
            let Some(known) = known else { continue };
            if deployment.is_none() {
                access.keys = form.keys(known);
            }
            for (tag, value) in tags.iter().flatten().filter(|_| ["cluster", "db"].contains(kind)) {
                access.keys.set(&format!("aws:ResourceTag/{tag}"), value.clone());
                access.keys.set(&format!("rds:{kind}-tag/{tag}"), value.clone());
            }
            found.push(access);
        }
    }
    found
}
