use serde_json::json;

use super::*;

const PAGE: &str =
    "https://eu-west-1.console.aws.amazon.com/s3/object/runs?region=eu-west-1&prefix=runs/one/report.html";

pub fn report(with: Value) -> Report {
    let mut report = json!({
        "version": 1,
        "name": "one",
        "execution": "arn:aws:states:eu-west-1:444455556666:execution:aurora-runbooks-major-upgrade:one",
        "stateMachine": "arn:aws:states:eu-west-1:444455556666:stateMachine:aurora-runbooks-major-upgrade",
        "runbook": "major-upgrade",
        "status": "SUCCEEDED",
        "kind": "succeeded",
        "outcome": "orders runs 18.4; nothing was lost.",
        "cluster": "orders",
        "total": 7_261,
        "input": { "cluster": "orders", "target": "18" },
        "started": "2026-11-25T02:00:00Z",
        "stopped": "2026-11-25T04:01:01Z",
        "written": "2026-11-25T04:01:02Z",
        "error": null,
        "cause": null,
        "redrives": 0,
        "redriven": [],
        "steps": [],
        "links": [{ "title": "Execution", "url": "https://eu-west-1.console.aws.amazon.com/states/home#/x" }],
    });
    for (name, value) in with.as_object().unwrap() {
        report[name] = value.clone();
    }
    serde_json::from_value(report).unwrap()
}

fn failed() -> Report {
    report(json!({
        "status": "FAILED",
        "kind": "failed",
        "outcome": "ModifyClusterVersion stopped the run with OperationFailed.",
        "from": "16.14",
        "to": "18.4",
        "error": "OperationFailed",
        "cause": "RDS says: Database cluster is in a state that cannot be upgraded.\nChanged: nothing.",
        "found": "RDS says: Database cluster is in a state that cannot be upgraded.",
        "changed": "nothing",
        "remedy": "look at pg_upgrade_internal.log",
        "next": "aws stepfunctions redrive-execution --execution-arn arn:aws:states:eu-west-1:4:x:one",
        "redrives": 2,
    }))
}

fn shown(report: &Report) -> String {
    format!("{:#}", message(report, PAGE))
}

#[test]
fn a_run_that_has_started() {
    insta::assert_snapshot!(shown(&report(json!({
        "status": "RUNNING", "kind": "running", "stopped": null, "outcome": "The run is in ResolveUpgrade.",
    }))));
}

#[test]
fn a_run_that_asks_for_approval() {
    insta::assert_snapshot!(shown(&report(json!({
        "status": "RUNNING", "kind": "running", "stopped": null, "from": "16.14", "to": "18.4",
        "outcome": "A person is asked: orders goes from 16.14 to 18.4. Nothing that users feel is done.",
        "approval": {
            "until": "2026-12-02T02:00:00Z",
            "approve": "aws stepfunctions send-task-success --task-token 'AQC8=' --task-output '{}'",
            "refuse": "aws stepfunctions send-task-failure --task-token 'AQC8=' --error Refused",
            "shell": "https://eu-west-1.console.aws.amazon.com/cloudshell/home?region=eu-west-1",
        },
    }))));
}

#[test]
fn an_upgrade_that_has_succeeded() {
    insta::assert_snapshot!(shown(&report(json!({
        "from": "16.14", "to": "18.4",
        "downtime": { "seconds": 412, "outages": [] },
        "cost": { "currency": "USD", "amount": 1.2345, "items": [] },
    }))));
}

#[test]
fn a_run_that_has_failed() {
    insta::assert_snapshot!(shown(&failed()));
}

#[test]
fn a_run_that_waits_for_a_person() {
    insta::assert_snapshot!(shown(&report(json!({
        "status": "FAILED",
        "kind": "blocked",
        "outcome": "InspectDatabases stopped the run with Blocked.",
        "error": "Blocked",
        "cause": "2 findings",
        "found": "the view \"public\".\"a<b & c>\" reads pg_stat_activity\nthe slot audit is logical",
        "remedy": "drop them, or skip the findings in the input",
        "next": "aws stepfunctions redrive-execution --execution-arn x",
    }))));
}

#[test]
fn a_run_that_a_person_has_stopped_and_one_that_has_timed_out() {
    let of = |status: &str, kind: &str, outcome: &str| {
        report(json!({ "status": status, "kind": kind, "outcome": outcome, "next": "aws …" }))
    };
    insta::assert_snapshot!(shown(&of("ABORTED", "aborted", "The run was stopped in RunAnalyze.")));
    insta::assert_snapshot!(shown(&of("TIMED_OUT", "timed-out", "The run timed out in RunAnalyze.")));
}

#[test]
fn a_sync_of_two_environments_of_which_one_has_failed() {
    insta::assert_snapshot!(shown(&report(json!({
        "runbook": "daily-sync",
        "sync": "orders",
        "status": "FAILED",
        "kind": "failed",
        "outcome": "SwapTarget orders-support stopped the run with DeadlineExceeded.",
        "dataTaken": "2026-11-25T01:12:00Z",
        "dataAge": 10_141,
        "error": "DeadlineExceeded",
        "cause": "orders-support was not reached",
        "targets": [
            { "name": "orders-dev", "kind": "succeeded", "downtime": 95 },
            { "name": "orders-support", "kind": "failed", "error": "DeadlineExceeded" },
        ],
        "left": ["the cluster orders-support-0a1b2c3d: it is being deleted"],
    }))));
}

/// Every text of a message, by its kind.
fn texts(message: &Value) -> Vec<String> {
    match message {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(words) if name == "text" => vec![words.to_owned()],
                _ => texts(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn an_error_of_four_thousand_characters_arrives_whole_and_a_longer_one_with_a_mark() {
    let line = "the table \"a\" & <b> 'c' 😀\n";
    for (count, is_whole) in [(150, true), (4_000, false)] {
        let words = line.repeat(count);
        let message = message(&report(json!({ "kind": "failed", "error": "Blocked", "found": words })), PAGE);
        let texts = texts(&message);
        assert!(texts.iter().all(|text| text.encode_utf16().count() <= 3_000));
        let said: String = texts
            .iter()
            .filter_map(|text| text.strip_prefix("```\n")?.strip_suffix("\n```"))
            .collect::<String>();
        assert_eq!(said.contains(CUT), !is_whole);
        let said = said.replace(CUT, "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        assert!(words.starts_with(&said) && (said == words) == is_whole, "{said}");
    }
}

#[test]
fn nothing_that_a_database_says_becomes_a_mention_a_link_a_format_or_half_a_character() {
    let hostile = "<!channel> <https://evil.example|click> *bold* ```end``` \u{0}\u{1b}[31m &amp;";
    let message = message(
        &report(json!({
            "kind": "failed", "error": hostile, "found": hostile, "outcome": hostile, "cluster": hostile,
            "remedy": hostile, "next": hostile, "left": [hostile],
        })),
        PAGE,
    );
    let shown = message.to_string();
    assert!(!shown.contains("\\u0000") && !shown.contains("\\u001b"), "{shown}");
    // A plain text has no mentions and no links; the fallback is read for them, too.
    let blocks = message["blocks"].as_array().unwrap().iter();
    let mrkdwn: Vec<String> =
        blocks.filter(|block| block["text"]["type"] != "plain_text").flat_map(texts).collect();
    let fallback = message["text"].as_str().unwrap().to_owned();
    for text in mrkdwn.iter().chain([&fallback]) {
        assert!(!text.contains("<!channel>") && !text.contains("<https://evil"), "{text}");
    }
    for text in mrkdwn {
        assert!(text.matches("```").count() <= 2, "{text}");
    }
    // Cut in the middle of an entity, or of a character of two units, there would be half of one.
    for length in 2_900..3_000 {
        let text = code(&("x".repeat(length) + &"&😀".repeat(2_000)), 2);
        for text in text.iter().flat_map(texts) {
            let body = text.strip_prefix("```\n").unwrap();
            let ends = body.strip_suffix("\n```").unwrap().trim_end_matches(CUT);
            assert!(ends.ends_with("&amp;") || ends.ends_with('😀') || ends.ends_with('x'), "{ends}");
        }
    }
}

#[test]
fn a_thousand_environments_and_leftovers_are_cut_with_their_number() {
    let names = |prefix: &str| (0..1000).map(|at| format!("{prefix}-{at}")).collect::<Vec<_>>();
    let targets: Vec<Value> =
        names("target").iter().map(|name| json!({ "name": name, "kind": "succeeded" })).collect();
    let message = message(&report(json!({ "targets": targets, "left": names("cluster") })), PAGE);
    let said = texts(&message).join("\n");
    assert_eq!(said.matches("… and 980 more: the report has them").count(), 2, "{said}");
}
