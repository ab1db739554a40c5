//! `policy draft` on a database whose code must not run and whose values must not leave it.

use std::process::{Command, Stdio};

use policy::{Masking, Policy};
use sandbox::postgres::install;
use workers::daily_sync::sanitize_databases::look;

use crate::copy::Copy;

/// What the script prints, and what psql complains about.
pub async fn answer(copy: &Copy, database: &str, name: &str) -> (String, String) {
    let sessions = copy.sessions();
    let login = sessions.login;
    let path = std::env::temp_dir().join(format!("draft-{name}-{}.sql", std::process::id()));
    std::fs::write(&path, policy::draft::script()).unwrap();
    let psql = install().await.unwrap().bin(16).unwrap().join("psql");
    let output = Command::new(psql)
        .args(["-XAtq", "-h", &login.host, "-p", &login.port.to_string(), "-U", &login.user, "-f"])
        .arg(&path)
        .arg(database)
        .env("PGPASSWORD", &login.password)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// A whole policy with these databases.
fn masking(databases: &[String]) -> Masking {
    let base = include_str!("../../policy/examples/orders.yaml");
    let (before, _) = base.split_once("      databases:\n").unwrap();
    let (head, targets) = before.split_once("    targets:\n").unwrap();
    let (_, masking) = targets.split_once("    masking:\n").unwrap();
    let target = "      - {cluster: a, account: \"444455556666\", instance-class: db.t4g.medium, \
        subnet-group: dev, security-groups: [sg-dev], cluster-parameter-group: dev, \
        keep-old: {count: 1, age: 48h}}\n";
    let indented: String =
        databases.iter().flat_map(|part| part.lines()).map(|line| format!("        {line}\n")).collect();
    let text = format!("{head}    targets:\n{target}    masking:\n{masking}      databases:\n{indented}");
    let policy = Policy::parse(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    policy.syncs["orders"].masking.clone().expect("it masks")
}

/// The drafts of databases, one each.
pub async fn drafted(copy: &Copy, databases: &[&str]) -> Vec<String> {
    let mut drafts = Vec::new();
    for database in databases {
        let (printed, complaints) = answer(copy, database, copy.id).await;
        assert_eq!(complaints, "", "of {database}");
        drafts.push(policy::draft::draft(database, &printed).unwrap());
    }
    drafts
}

async fn a_policy_for_traps(copy: Copy) {
    copy.run("shop", include_str!("../data/secrets/production.sql")).await;
    // The owner's rows are hidden from the owner: their shapes are not looked at, and the rest is.
    let (printed, complaints) = answer(&copy, "shop", copy.id).await;
    assert!(
        complaints.contains("row-level security policy") && !complaints.contains("trapped"),
        "{complaints}"
    );
    assert!(!printed.contains("secretive"), "{printed}");
    copy.run("shop", "ALTER TABLE app.people NO FORCE ROW LEVEL SECURITY").await;

    let drafts = drafted(&copy, &["shop", "postgres", "template1"]).await;
    let text = &drafts[0];
    assert!(!text.contains("secretive") && !text.contains("AKIA"), "{text}");
    for line in [
        "  app.nothing: {} # draft",
        "  app.outbox: truncate",
        "    contact: email",
        "    whatever: hash",
        "    nationalidnumber: hash",
        "    person: hash",
        "    zipcode: address",
        "    born_on: {\"rule\":\"date-shift\",\"days\":30}",
        "    born: {\"rule\":\"date-shift\",\"days\":30}",
        "    salary: numeric",
        "    level: keep",
        "    mood: keep # draft: a CHECK lists its values",
        "    note: hash",
        "    code: keep",
        "    upper_note: keep # draft: generated",
        "        \"$.Email\": email",
        "        \"$.friends.*.since\": keep",
        "        \"$.logins[*].from\": ip",
        "        \"$.logins[*].token\": hash",
        "    source: ip",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    look(&copy.sessions(), &masking(&drafts)).await.unwrap();
}

#[tokio::test]
async fn a_draft_runs_no_code_tells_no_value_and_is_accepted_on_16() {
    a_policy_for_traps(Copy::empty("draft-16", "16.8", &[]).await).await;
}

#[tokio::test]
async fn a_draft_runs_no_code_tells_no_value_and_is_accepted_on_18() {
    a_policy_for_traps(Copy::empty("draft-18", "18.1", &[]).await).await;
}

#[tokio::test]
async fn a_draft_of_the_shop_is_accepted() {
    let copy = Copy::of_the_shop("draft-shop", "16.8", &[]).await;
    let drafts = drafted(&copy, &["shop", "billing", "customer-events", "postgres", "template1"]).await;
    look(&copy.sessions(), &masking(&drafts))
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", drafts.concat()));
}
