//! The `policy` command as a person or CI calls it.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Exit code, standard output, standard error.
fn policy(arguments: &[&str], input: &str) -> (i32, String, String) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    command
        .args(arguments)
        .current_dir(examples)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // A command that does not read its input may be gone already.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    let output = process.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn written(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_good_policy_is_summed_up() {
    assert_eq!(
        policy(&["check", "orders.yaml"], ""),
        (0, "orders: 2 targets, 4 databases, 10 tables, 61 columns\n".into(), String::new())
    );
}

#[test]
fn the_mistakes_of_the_documentation_are_reported_as_it_says() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy.md")).unwrap();
    let (_, smallest) = page.split_once("```yaml\n").unwrap();
    let (smallest, rest) = smallest.split_once("```").unwrap();
    let (_, console) = rest.split_once("$ policy check policy.yaml\n").unwrap();
    let (console, _) = console.split_once("```").unwrap();
    let bad = smallest
        .replace("        keep-old:", "        swap: renam\n        keep-old:")
        .replace("email: email", "email: mail");
    let file = written("bad.yaml", &bad);
    let (code, _, said) = policy(&["check", file.to_str().unwrap()], "");
    assert_eq!(code, 1);
    assert_eq!(said.lines().count(), 2, "{said}");
    for (said, shown) in said.lines().zip(console.lines()) {
        let said = said.replace(file.to_str().unwrap(), "policy.yaml");
        // The page leaves out some of the rules.
        let (begin, end) = shown.split_once('…').unwrap_or((shown, ""));
        assert!(said.starts_with(begin) && said.ends_with(end), "{said}\n{shown}");
    }
}

#[test]
fn a_page_is_checked_against_its_policy() {
    assert_eq!(policy(&["calendar", "orders.yaml", "--check", "calendar.md"], "").0, 0);
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/calendar.md")).unwrap();
    let stale = written("stale.md", &page.replace("db.t4g.medium", "db.t4g.large"));
    let (code, diff, error) = policy(&["calendar", "orders.yaml", "--check", stale.to_str().unwrap()], "");
    assert_eq!(code, 1);
    assert!(
        diff.lines().any(|line| line == "+- **`orders-dev`** in account 444455556666, on db.t4g.medium"),
        "{diff}"
    );
    assert!(error.contains("is stale"), "{error}");
}

#[test]
fn an_explanation_fails_when_the_run_would() {
    let snapshots = include_str!("../examples/snapshots.json");
    let explain =
        |at| policy(&["explain", "orders.yaml", "orders", "--at", at, "--snapshots", "-"], snapshots);
    let (code, said, _) = explain("2026-03-27T03:30");
    assert_eq!(
        (code, said.lines().last()),
        (
            0,
            Some(
                "It takes arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:rds:orders-2026-03-27-01-12."
            )
        )
    );
    // The same moment with its offset.
    assert_eq!(explain("2026-03-27T02:30:00Z").1, said);
    let (code, said, _) = explain("2026-03-29T03:30");
    assert_eq!((code, said.lines().last()), (1, Some("None fits: the run fails.")));
    let (code, _, error) = policy(&["explain", "orders.yaml", "stock", "--snapshots", "-"], snapshots);
    assert_eq!((code, error.as_str()), (1, "\"stock\" is none of the policy's syncs: orders\n"));
}
