//! What each fuzz target does with bytes that somebody else has written, and what must hold then.
//! tests/it/properties.rs does the same with fewer of them in every run of CI.

use std::time::{Duration, Instant};

use functions::{major_upgrade::failure, report_run::Event};
use policy::{Policy, TableName};
use runbook::{
    Arn, Error, Finding, Level, Run,
    aurora::{EngineVersion, ResourceId},
    daily_sync,
    error::cause,
    snapshot_export,
};
use workers::snapshot_export::reconcile_export::{
    compare::compare,
    footers::{self, File},
    metadata,
};

/// A whole policy is read in milliseconds; what takes this long holds a function up.
const LONG: Duration = Duration::from_secs(10);

/// A policy is read, or every mistake has a place and words.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let begun = Instant::now();
    if let Err(errors) = Policy::parse(text) {
        assert!(!errors.0.is_empty(), "refused without a reason");
        for error in &errors.0 {
            assert!(error.line > 0 && error.column > 0 && !error.message.is_empty(), "{error:?}");
        }
    }
    let took = begun.elapsed();
    assert!(took < LONG, "{} bytes took {took:?}", text.len());
}

/// What AWS writes of its tables is read and compared, or refused: nothing in it is a number that
/// is too large.
pub fn export_metadata(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(tables) = metadata::tables(text) else { return };
    let entries = tables.into_iter().map(|entry| (entry.target.clone(), entry)).collect();
    let file = |path: &str| File {
        path: path.to_owned(),
        bytes: u64::MAX,
        footer: Ok(footers::Footer { rows: u64::MAX, columns: vec![("id".into(), "int64".into())] }),
    };
    let files =
        vec![file("shop/public.orders/1/part-0.parquet"), file("shop/public.orders/1/part-1.parquet")];
    let seen = compare(&entries, Some(text), files, None, &[]);
    assert!(!seen.tables.is_empty(), "two files are of some table");
}

/// A file's last bytes are a footer, or are said to be none.
pub fn footers(data: &[u8]) {
    if let Err(why) = footers::of_file(data) {
        assert!(!why.is_empty(), "refused without a reason");
    }
}

/// RDS's events and pg_upgrade's logs become a text for people, whatever is in them. The first line
/// is an event, the rest a log.
pub fn upgrade_log(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (event, log) = text.split_once('\n').unwrap_or((&text, ""));
    let logs = [("pg_upgrade_internal.log".to_owned(), log.to_owned())];
    let failure = failure::told(vec![event.to_owned()], &logs).expect("there is a log");
    assert!(!failure.remedy.is_empty(), "there is always something to do");
    shown(&Error::failed(failure.evidence).fix(failure.remedy).cause());
    let finding = Finding {
        check: "check".into(),
        level: Level::Block,
        database: Some(event.to_owned()),
        object: log.to_owned(),
        reason: "reason".into(),
        remedy: "remedy".into(),
    };
    assert!(!finding.id().contains(['\n', '\r', '\t']), "an id is one line: {:?}", finding.id());
    shown(&Error::Blocked(vec![finding]).cause());
}

/// Nothing that a person is shown hides, or is longer than Step Functions takes.
pub fn shown(text: &str) {
    let hides =
        |c: char| (c.is_control() && c != '\n' && c != '\t') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!text.contains(hides), "something hides in {text:?}");
    assert!(text.chars().count() < 32_768, "{} characters", text.chars().count());
    assert_eq!(cause(text), text, "what is shown once is shown the same again");
}

/// Identifiers are read and written back the same, and what a run makes of its names is a name that
/// RDS and S3 take.
pub fn identifiers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(version) = text.parse::<EngineVersion>() {
        assert_eq!(version.to_string(), text);
        assert!(!version.is_plain() || text.bytes().all(|b| b.is_ascii_digit() || b == b'.'), "{text}");
    }
    if let Ok(id) = ResourceId::try_from(text.to_owned()) {
        assert!(is_key(id.as_str()), "{text:?}");
    }
    if let Ok(table) = text.parse::<TableName>() {
        assert_eq!(table.to_string().parse::<TableName>(), Ok(table), "{text:?}");
    }
    let execution = format!("arn:aws:states:eu-west-1:444455556666:execution:runbook:{text}");
    for arn in [text.to_owned(), execution] {
        let Ok(arn) = Arn::try_from(arn) else { continue };
        let parts = [arn.service(), arn.account(), arn.kind(), arn.name(), arn.resource()];
        assert!(parts.iter().all(|part| arn.as_str().contains(part)), "{arn}");
        let taken = "2026-01-05T02:00:31Z".parse().expect("a time");
        assert!(is_key(&snapshot_export::names::claim("orders", &arn, taken)), "{arn}");
        let run = Run { execution: arn, ..Run::of("arn:aws:states:eu-west-1:444455556666:execution:m:n") };
        let (sync, target) = ("s".repeat(40), "t".repeat(48));
        for name in [
            daily_sync::names::quarantine(&sync, &run),
            daily_sync::names::copy(&sync, &run),
            daily_sync::names::sanitized(&sync, &run),
            daily_sync::names::fresh(&target, &run),
            daily_sync::names::old(&target, &run),
            snapshot_export::names::copy(&"e".repeat(30), &run),
            snapshot_export::names::task(&"e".repeat(30), taken, &run),
        ] {
            assert!(is_identifier(&name), "{name:?} of {:?}", run.execution);
            assert!(is_identifier(&daily_sync::names::instance(&name)) || name.len() > 61, "{name:?}");
        }
    }
}

/// As CreateDBCluster takes it (botocore rds/2014-10-31, DBClusterIdentifier).
pub fn is_identifier(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// A part of an object's key that leads nowhere else.
fn is_key(part: &str) -> bool {
    part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// What calls report-run is an event that names an execution or state machines, or is refused with
/// words that hide nothing.
pub fn events(data: &[u8]) {
    let Ok(event) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    match Event::read(event) {
        Ok(Event::Changed(execution)) => assert_eq!(execution.kind(), "execution"),
        Ok(Event::UnderWay(machines)) => {
            assert!(machines.iter().all(|machine| machine.kind() == "stateMachine"), "{machines:?}");
        }
        Err(error) => {
            assert_eq!(error.name(), "Refused");
            shown(&error.cause());
        }
    }
}
