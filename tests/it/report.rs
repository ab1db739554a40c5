//! The report of a run: what it says, its schema, and its pages in a browser.

use functions::report_run::{
    page,
    report::{Kind, Progress, Report, Step, VERSION},
    sections,
};
use jiff::SignedDuration;
use runbook::{Context, postgres::Tls};
use sandbox::{
    Options, Sandbox,
    aws::ACCOUNT,
    environments,
    executables::root,
    faults::{Fault, Kind as FaultKind},
    golden,
    orders::{self, Shape},
    preview,
    sandbox::BUCKET,
};
use serde_json::{Value, json};

use crate::harness::{World, model, run, sync, to_18};

mod browser;
mod pictures;

fn report(value: &Value) -> Report {
    serde_json::from_value(value.clone()).unwrap()
}

/// The report as it lies in the bucket, and its page.
fn written(sandbox: &Sandbox, name: &str) -> (Report, String) {
    let get = |file: &str| sandbox.s3.get(BUCKET, &format!("runs/{name}/{file}")).unwrap();
    (
        serde_json::from_slice(&get("report.json")).unwrap(),
        String::from_utf8(get("report.html").to_vec()).unwrap(),
    )
}

#[test]
fn the_schema_of_the_report_is_current_and_every_report_fits_it() {
    let schema = serde_json::to_value(schemars::schema_for!(Report)).unwrap();
    golden::file(
        &root().join("docs/report.schema.json"),
        &(serde_json::to_string_pretty(&schema).unwrap() + "\n"),
    );
    let validator = jsonschema::validator_for(&schema).unwrap();
    for preview::Fixture { name, report } in preview::fixtures() {
        let report = serde_json::to_value(&report).unwrap();
        let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn whatever_is_said_in_a_run_becomes_no_markup_and_a_long_text_is_cut_with_a_mark() {
    let hostile = preview::fixture("hostile").unwrap();
    let page = page(&hostile);
    assert!(!page.contains("<script") && !page.contains("<img"), "markup came through");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{0}'), "a character that hides came through");
    assert!(page.contains("(cut; report.json has all of it)"));
    assert!(page.len() < 100_000, "{} bytes", page.len());
    // Its data has all of it.
    assert!(serde_json::to_string(&hostile).unwrap().len() > 300_000);
}

#[test]
fn the_page_of_an_upgrade_of_500_tables_is_small() {
    let page = page(&preview::fixture("upgrade-of-500-tables").unwrap());
    assert!(page.contains("public.orders_498"), "every table is in it");
    assert!(page.len() < 150_000, "{} bytes", page.len());
}

/// A failure may need a person in the middle of the night, so what it needs is all there.
#[test]
fn every_page_of_a_run_that_stopped_has_the_error_what_was_found_and_the_command_that_goes_on() {
    for name in [
        "upgrade-blocked",
        "upgrade-failed",
        "upgrade-timed-out",
        "upgrade-aborted",
        "sync-one-target-failed",
    ] {
        let report = preview::fixture(name).unwrap();
        let page = page(&report);
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        assert!(page.contains(&escaped(report.error.as_deref().unwrap())), "{name}: the error");
        let in_a_line = page.replace(" \\\n  --", " --");
        assert!(in_a_line.contains(&escaped(report.next.as_deref().unwrap())), "{name}: the command");
        if let Some(found) = &report.found {
            assert!(page.contains(&escaped(found)), "{name}: what was found");
        }
        let step = report.steps.iter().filter(|step| step.failed_at(true).is_some()).count();
        assert!(page.matches("<li class=\"row failed\">").count() == step, "{name}: the picture");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrades_report_has_versions_downtime_and_the_snapshot_and_can_be_watched() {
    let sandbox = model(1, Shape::default()).await;
    let arn = sandbox.start_execution("major-upgrade", "watched", &to_18()).await.unwrap();
    sandbox.clock.sleep(std::time::Duration::from_secs(60)).await;
    // From the first change of status on there is one.
    let (begun, _) = written(&sandbox, "watched");
    assert_eq!(begun.kind, Kind::Running);
    let mut sentences = std::collections::BTreeSet::new();
    while sandbox.renew_reports().await.unwrap() > 0 {
        let (now, page) = written(&sandbox, "watched");
        assert!(page.contains("Load the page again") || !now.is_running());
        let open = now.steps.iter().rev().find(|step| step.is_open());
        sentences.extend(open.and_then(|step| step.error.clone()));
        assert!(now.steps.iter().all(|step| !now.ahead.contains(&step.state)), "{:?}", now.ahead);
        sandbox.clock.sleep(std::time::Duration::from_secs(60)).await;
    }
    let waited = |what: &str| sentences.iter().any(|sentence| sentence.contains(what));
    assert!(waited("NotReady: waiting for snapshot before-upgrade-orders"), "{sentences:#?}");
    assert!(waited("upgrading"), "{sentences:#?}");

    let report = report(&crate::harness::ended(&sandbox, arn).await.succeeded().report);
    assert_eq!(
        (report.version, report.kind, report.runbook.as_str()),
        (VERSION, Kind::Succeeded, "major-upgrade")
    );
    assert_eq!((report.from.as_deref(), report.to.as_deref()), (Some("16.14"), Some("18.4")));
    assert!(report.copies.before_upgrade.unwrap().starts_with("before-upgrade-orders-16-14-"));
    assert!(report.missing.is_empty() && report.ahead.is_empty() && report.next.is_none());
    // Maintenance, the upgrade, the writer's reboot into its groups: within the states that did
    // them.
    let downtime = report.downtime.unwrap();
    let within = |state: &str, index: usize| {
        let outage = &downtime.outages[index];
        let step = report.steps.iter().find(|step| step.state == state).unwrap();
        let slack = SignedDuration::from_secs(1);
        assert!(
            step.entered - slack <= outage.from && outage.until <= step.exited.unwrap() + slack,
            "{outage:?}"
        );
    };
    assert_eq!(downtime.outages.len(), 3, "{downtime:?}");
    within("ApplyPendingMaintenance", 0);
    within("ModifyClusterVersion", 1);
    within("SyncParameterGroups", 2);
    assert!(downtime.seconds > 60 && downtime.seconds < report.total, "{downtime:?}");
}

/// What only real PostgreSQL and the shipped workers show; major_upgrade.rs has the run.
pub fn is_of_a_real_upgrade(sandbox: &Sandbox, name: &str) {
    let (report, page) = written(sandbox, name);
    assert_eq!(report.missing, Vec::<String>::new());
    let analyzed = report.analyzed.unwrap();
    let tables: usize = analyzed.statements.iter().map(|statement| statement.tables.len()).sum();
    assert!(tables > 10 && analyzed.statements.iter().all(|one| one.failed.is_none()), "{analyzed:#?}");
    assert!(page.contains("customer-events") && page.contains("ANALYZE, what failed and the slowest first"));
    assert!(report.rows.unwrap().counted > 10);
    assert!(report.extensions.iter().any(|extension| extension.reason.is_none()), "{:?}", report.extensions);
    assert!(report.terraform.unwrap().contains("engine_version"));
    let removed = |row: &sections::Parameter| {
        row.name == "old_snapshot_threshold" && row.outcome == sections::Outcome::Removed
    };
    assert!(report.parameters.iter().flat_map(|group| &group.rows).any(removed), "{:#?}", report.parameters);
    assert!(report.downtime.unwrap().seconds > 0);
    for state in ["inspect-databases", "run-analyze", "verify-upgrade"] {
        let said = sandbox.s3.get(BUCKET, &format!("runs/{name}/progress/{state}.json"));
        assert!(said.is_some_and(|said| serde_json::from_slice::<Progress>(&said).is_ok()), "{state}");
    }
}

/// The same of a sync; daily_sync.rs has the run.
pub fn is_of_a_real_sync(sandbox: &Sandbox, name: &str) {
    let (report, page) = written(sandbox, name);
    assert_eq!(report.missing, Vec::<String>::new());
    let masking = report.masking.unwrap();
    let email = masking.columns.iter().find(|one| one.table == "public.customers" && one.column == "email");
    let email = email.unwrap_or_else(|| panic!("{:#?}", masking.columns));
    assert_eq!((email.rule.as_str(), email.values > 1000), ("email", true));
    assert!(masking.rows > 1000 && page.contains("Masking"));
    let wires = report.wires.unwrap();
    assert!(wires.cut.len() > 10 && wires.cut.contains_key("login-role"), "{wires:#?}");
    assert_eq!(report.attestation.unwrap().counts["liveWires"], 0);
    assert!(report.targets.iter().all(|target| target.kind == Kind::Succeeded && target.published.is_some()));
    assert!(report.targets.iter().any(|target| !target.carried.is_empty()), "{:#?}", report.targets);
    for state in ["sanitize-databases", "attest-sanitized", "prepare-target-orders-dev"] {
        assert!(sandbox.s3.get(BUCKET, &format!("runs/{name}/progress/{state}.json")).is_some(), "{state}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_rdss_events_an_upgrades_downtime_is_not_made_up() {
    let sandbox = model(1, Shape::default()).await;
    sandbox.rds.behave(|behaviour| behaviour.events = sandbox::rds::behaviour::EventDelivery::Missing);
    let report = report(&run(&sandbox, "silent", &to_18()).await.succeeded().report);
    assert_eq!(report.downtime, None);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_missing_in_the_report_and_not_the_report_itself() {
    let sandbox = model(1, Shape::default()).await;
    // Of each of the calls that the report of a whole run makes; the SDK tries no denied one again.
    sandbox.gateway.lay(Fault::once(FaultKind::Denied, "rds", "DescribeEvents").by("report-run"));
    let report = report(&run(&sandbox, "denied", &to_18()).await.succeeded().report);
    assert!(report.missing[0].contains("rds:DescribeEvents"), "{:?}", report.missing);
    assert_eq!((report.downtime, report.to.as_deref()), (None, Some("18.4")));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_has_put_into_the_runs_folder_is_not_believed() {
    let sandbox = model(1, Shape::default()).await;
    let arn = run(&sandbox, "forged", &to_18()).await.succeeded().arn;
    let store = orders::context(&sandbox).store;
    let put = async |file: &str, body: Vec<u8>| {
        store.put(&format!("runs/forged/{file}"), "application/json", body).await.unwrap();
    };
    let finding = r#"[{"check": "x", "level": "block", "object": "<script>alert(1)</script>", "reason": "",
        "remedy": "\u001b[2J"}]"#;
    put("findings.json", finding.into()).await;
    put("parameters-18.4.json", b"{\"no\": \"list\"}".to_vec()).await;
    put("analyze.json", vec![b' '; 9 << 20]).await;
    let cx = Context::new(
        &sandbox.sdk_in(ACCOUNT, functions::REPORT_RUN),
        sandbox.clock,
        BUCKET.to_owned(),
        Tls::Disable,
    );
    let event = json!({ "detail": { "executionArn": arn } });
    functions::handle(functions::REPORT_RUN, &cx, event).await.unwrap();
    let (report, page) = written(&sandbox, "forged");
    assert!(!page.contains("<script") && !page.contains('\x1b'));
    assert_eq!((report.findings.len(), report.analyzed, report.parameters.len()), (1, None, 0));
    assert!(report.missing[0].contains("analyze.json is not what we wrote"), "{:?}", report.missing);
}

#[tokio::test(start_paused = true)]
async fn a_syncs_report_has_the_age_of_the_data_and_each_target_with_its_downtime() {
    let (sandbox, _) = World::WHOLE.start(Options::model(1)).await;
    let report = report(&sync(&sandbox, "whole").await.succeeded().report);
    assert_eq!((report.sync.as_deref(), report.cluster.as_deref()), (Some("orders"), Some("orders")));
    let age = report.data_age.unwrap();
    assert!(age > report.total, "{age}");
    assert_eq!(report.targets.len(), 2);
    for target in &report.targets {
        assert_eq!(target.kind, Kind::Succeeded);
        // The other's swap renames nothing.
        assert_eq!(target.downtime.is_some(), target.name == environments::DEV);
        let swap = |step: &&Step| step.of.as_ref() == Some(&target.name) && step.state == "SwapTarget";
        let swap = report.steps.iter().find(swap).unwrap();
        let took = swap.exited.unwrap().duration_since(swap.entered).as_secs();
        if let Some(downtime) = target.downtime {
            assert!(downtime > 10 && downtime <= took, "{downtime} s of {took} s");
        }
        assert!(target.endpoint.is_some());
    }
    assert!(report.attestation.is_some() && report.copies.sanitized.is_some());
    assert_eq!(report.missing, Vec::<String>::new());
}

/// What is typed in the night is what the report says, word by word.
#[tokio::test(start_paused = true)]
async fn the_journal_of_a_swap_says_what_was_renamed_until_when_it_stays_and_the_way_back() {
    let (sandbox, _) = World::WHOLE.start(Options::model(1)).await;
    let rds = sandbox.rds_client();
    let resource_id = async |name: &str| {
        let clusters = rds.describe_db_clusters().db_cluster_identifier(name).send().await.ok()?;
        clusters.db_clusters?.pop()?.db_cluster_resource_id
    };
    let yesterdays = resource_id(environments::DEV).await.unwrap();
    let report = report(&sync(&sandbox, "swapped").await.succeeded().report);
    let swap = |name: &str| {
        let target = report.targets.iter().find(|target| target.name == name).unwrap();
        target.swap.clone().unwrap()
    };
    let renamed = swap(environments::DEV);
    assert_eq!(renamed.by, policy::Swap::Rename);
    let former = renamed.former.unwrap();
    assert!(former.starts_with("orders-dev-old-"), "{former}");
    assert_eq!(resource_id(&former).await.as_ref(), Some(&yesterdays));
    // The example keeps it for 48 hours.
    assert_eq!(renamed.kept_until.unwrap().duration_since(renamed.began).as_hours(), 48);
    let back = renamed.back.unwrap();
    let page = written(&sandbox, "swapped").1;
    assert!(page.contains(&back) && page.contains("Swap journal"));
    for command in back.replace("\\\n", "").lines() {
        let words: Vec<&str> = command.split_whitespace().collect();
        let ["aws", "rds", "modify-db-cluster", of, from, to, new, "--apply-immediately"] = words[..] else {
            panic!("{command}")
        };
        assert_eq!((of, to), ("--db-cluster-identifier", "--new-db-cluster-identifier"));
        let modify = rds.modify_db_cluster().db_cluster_identifier(from).new_db_cluster_identifier(new);
        modify.apply_immediately(true).send().await.unwrap();
        sandbox.clock.sleep(std::time::Duration::from_mins(10)).await;
    }
    assert_eq!(resource_id(environments::DEV).await, Some(yesterdays));

    let pointed = swap(environments::SUPPORT);
    assert_eq!(pointed.by, policy::Swap::Secret);
    let (former, back) = (pointed.former.unwrap(), pointed.back.unwrap());
    assert!(resource_id(&former).await.is_some(), "{former}");
    assert!(back.contains(&format!("--db-cluster-identifier {former} ")), "{back}");
    assert!(back.ends_with("into the secret orders-support/connection"), "{back}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_failed_is_told_apart_from_the_one_that_did_not() {
    let (sandbox, _) = World::WHOLE.start(Options::model(1)).await;
    let fault = Fault::once(FaultKind::Denied, "rds", "RestoreDBClusterFromSnapshot").by("restore-target");
    sandbox.gateway.lay(fault);
    let report = report(&sync(&sandbox, "half").await.failed("Refused").report);
    let of = |kind: Kind| report.targets.iter().filter(|target| target.kind == kind).count();
    assert_eq!((of(Kind::Succeeded), of(Kind::Failed)), (1, 1), "{:#?}", report.targets);
    let failed = report.targets.iter().find(|target| target.kind == Kind::Failed).unwrap();
    assert_eq!(failed.error.as_deref(), Some("Refused"));
    assert!(failed.cause.as_ref().unwrap().contains("RestoreDBClusterFromSnapshot"), "{failed:?}");
    assert!(report.outcome.contains(&failed.name), "{}", report.outcome);
    // A sync begins again, in one word of the shell.
    assert!(report.next.unwrap().ends_with(r#"--input '{"sync":"orders"}'"#));
}
