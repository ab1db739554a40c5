//! The policies in infra/iam, enforced: every scenario runs under them, nothing is granted that no
//! scenario uses, and what is forbidden is refused.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::{error::ProvideErrorMetadata, error::SdkError, types::Tag};
use runbook::{Context, postgres::Tls};
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION, arn, arn_in},
    environments,
    iam::{condition::Keys as Values, evaluate::{Access, Identity}, policy::Policy, table},
    orders::{self, Shape},
    permissions::{self, Document, Keys},
    production,
    sandbox::BUCKET,
};
use serde_json::{Value, json};

use crate::harness::{ended, run, to_18};

/// Roles of no state: AWS services act with them, or our functions in production's account.
const OTHERS: [&str; 7] =
    ["report-run", "major-upgrade", "daily-sync", "source", "task-execution", "scheduler", "events"];

fn customer_keys() -> Keys {
    let key = |id: &str| Some(arn("kms", &format!("key/{id}")));
    Keys { run_bucket: key("runs"), secrets: key("secrets") }
}

fn documents() -> BTreeMap<String, Document> {
    let documents = permissions::documents(&customer_keys()).unwrap();
    documents.into_iter().map(|document| (document.name.clone(), document)).collect()
}

fn granted(document: &Document) -> BTreeSet<String> {
    let statements = document.policy.as_array().unwrap();
    let lists = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    lists.map(|action| action.as_str().unwrap().to_owned()).collect()
}

fn options() -> Options {
    Options { customer_keys: true, ..Options::model(1) }
}

async fn world_of_sync() -> Sandbox {
    let sandbox = Sandbox::start(options()).await.unwrap();
    production::create(&sandbox).await.unwrap();
    production::take_snapshot(&sandbox).await.unwrap();
    environments::create(&sandbox, None).await.unwrap();
    environments::create_targets(&sandbox).await.unwrap();
    sandbox
}

async fn sync(sandbox: &Sandbox, name: &str) -> crate::harness::Ended {
    let arn = sandbox.start_execution("daily-sync", name, &json!({ "sync": "orders" })).await.unwrap();
    ended(sandbox, arn).await
}

#[tokio::test(start_paused = true)]
async fn every_scenario_runs_under_the_policies_and_uses_all_that_they_grant() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut note = |sandbox: &Sandbox| {
        assert_eq!(sandbox.iam.denied(), []);
        for (role, actions) in sandbox.iam.used() {
            used.entry(role).or_default().extend(actions);
        }
    };
    let sandbox = Sandbox::start(options()).await.unwrap();
    orders::create(&sandbox, Shape::default()).await.unwrap();
    let ended = run(&sandbox, "upgrade", &to_18()).await;
    note(&sandbox);
    ended.succeeded();
    let sandbox = world_of_sync().await;
    for name in ["one", "two"] {
        let ended = sync(&sandbox, name).await;
        note(&sandbox);
        ended.succeeded();
    }

    println!("{:<28}{:>8}{:>8}", "role", "granted", "used");
    let mut never = Vec::new();
    for (name, document) in documents() {
        let (granted, used) = (granted(&document), used.remove(&document.arn).unwrap_or_default());
        println!("{name:<28}{:>8}{:>8}", granted.len(), used.len());
        let unused: Vec<_> = granted.difference(&used).cloned().collect();
        if !unused.is_empty() {
            never.push(format!("{name}: {}", unused.join(", ")));
        }
    }
    assert!(never.is_empty(), "granted and used by no scenario:\n{}", never.join("\n"));
}
