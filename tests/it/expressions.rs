//! Every JSONata expression of our ASL gives the same in our engine and in jsonata.js, the
//! reference (npm `jsonata`).

use std::{path::PathBuf, process::Command};

use sandbox::{statemachine, states};
use serde_json::{Value, json};

/// Step Functions runs JSONata 2.0.6
/// (https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html); npm's 2.0.6 is
/// it.
const REFERENCE: &str = "jsonata@2.0.6";

/// What the expressions of the runbooks read.
fn bindings() -> Value {
    json!({
        "states": {
            "input": { "target": "orders-dev", "targets": [], "cluster": "orders",
                "name": "fleet-01234567-orders" },
            "errorOutput": { "Error": "Blocked", "Cause": "{\"errorType\":\"Blocked\",\"errorMessage\":\"a \
            \\\"new\\\" column\"}" },
            "result": { "by": "Ada", "drifted": 2, "State": "CLOSED",
                "NextTransitionTime": "2026-11-27T10:00:00Z",
                "task": "a", "counted": "0a1b", "Payload": { "summary": "said \"so\"", "task": "a",
                    "snapshot": "before-upgrade-orders",
                    "opens": null, "next": "upgrade", "clusters": [{ "cluster": "orders", "name": "n" }],
                    "input": { "target": "18" }, "until": null, "progress": { "upgraded": [0] },
                    "cluster": "orders", "left": [] },
                "Output": { "summary": "so" }, "compared": 3, "changed": 1 },
            "context": {
                "Execution": { "Id": "arn:aws:states:eu-west-1:444455556666:execution:m:run-1",
                    "Name": "run-1", "Input": { "cluster": "orders", "target": "18" } },
                "State": { "EnteredTime": "2026-11-25T02:00:00Z" },
                "Task": { "Token": "token" },
                "Map": { "Item": { "Index": 3, "Value": "orders-dev" } }
            }
        },
        "plan": {
            "cluster": "orders", "resourceId": "cluster-X", "from": "16.14", "target": "18.4",
            "path": ["17.5", "18.4"], "deadline": "28800s",
            "parameters": [{ "name": "work_mem", "value": "1", "reason": "it's \"so\"" }], "skip": [],
            "secretArn": null, "method": "blue-green", "stage": "switch-over", "switchoverTimeout": 300,
            "decision": "0123456789abcdef", "window": "Sun 02:00-04:00 Europe/Berlin",
            "expectedDuration": "1h", "changeCalendars": ["releases", "databases"],
            "upgradeName": "rehearsal-01234567", "upgrade": { "cluster": "quarantine-orders-01234567" },
            "planRegression": null,
            "sync": "orders", "skipped": false, "sanitized": false,
            "snapshot": "arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:rds:orders",
            "engineVersion": "16.14",
            "storageType": null,
            "targets": ["orders-dev", "orders-support"],
            "due": true, "again": false, "shared": false, "counted": true, "cleans": true, "export": "orders",
            "taken": "2026-11-25T00:10:00Z"
        },
        "green": { "deployment": "bgd-0123456789abcdef", "green": "orders-green-3rnukl",
            "resourceId": "cluster-G" },
        "wave": { "next": "upgrade", "clusters": [{ "cluster": "orders", "name": "n" }],
            "input": { "target": "18" }, "until": "2026-11-29T01:00:00Z", "summary": "so" },
        "progress": { "upgraded": [0] },
        "ended": [{ "cluster": "orders", "came": "upgraded" }],
        "clone": "quarantine-orders-01234567",
        "plans": { "compared": 3, "changed": 1 },
        "rehearsal": { "summary": "so" },
        "approved": null,
        "begun": false,
        "opens": "2026-11-29T01:00:00Z",
        "drifted": 2,
        "exported": "arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:rds:orders",
        "task": "orders-20261125",
        "rows": "0a1b",
        "counted": "0a1b",
        "snapshot": "before-upgrade-orders",
        "copy": "arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:sync-orders-01234567",
        "quarantine": { "cluster": "quarantine-orders-01234567", "resourceId": "cluster-Q" },
        "sanitized": "sanitized-orders-01234567",
        "fresh": { "target": "orders-dev", "cluster": "orders-dev-01234567", "resourceId": "cluster-F",
            "former": null },
        "failure": { "error": "Blocked", "cause": "a \"new\" column" },
        "left": ["cluster quarantine-orders-01234567: not allowed"]
    })
}

fn expressions() -> Vec<String> {
    let machines = statemachine::RUNBOOKS
        .iter()
        .map(|runbook| statemachine::render(&statemachine::source(runbook).unwrap()).unwrap());
    machines.flat_map(|machine| states::expressions(&serde_json::from_str(&machine).unwrap())).collect()
}

/// The reference, fetched once from npm.
fn reference() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("aurora-runbooks-{}", REFERENCE.replace('@', "-")));
    if !folder.join("node_modules/jsonata").exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let install = Command::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .arg(REFERENCE)
            .output();
        let install = install.expect("npm must be installed: the expressions are compared with jsonata.js");
        assert!(
            install.status.success(),
            "npm install {REFERENCE}: {}",
            String::from_utf8_lossy(&install.stderr)
        );
    }
    folder
}

#[test]
fn our_engine_agrees_with_jsonata_js() {
    let expressions = expressions();
    assert!(expressions.len() > 20, "only {} expressions were found", expressions.len());
    // `$parse` is Step Functions' own.
    let script = "const jsonata = require('jsonata');
        const { expressions, bindings } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
        const evaluate = e => jsonata(e).evaluate(undefined, { ...bindings, parse: JSON.parse });
        Promise.all(expressions.map(evaluate)).then(r => console.log(JSON.stringify(r)));";
    let question = json!({ "expressions": expressions, "bindings": bindings() });
    let folder = reference();
    std::fs::write(folder.join("question.json"), question.to_string()).unwrap();
    let output = Command::new("node")
        .args(["-e", script])
        .current_dir(&folder)
        .stdin(std::fs::File::open(folder.join("question.json")).unwrap())
        .output();
    let output = output.expect("node must be installed: the expressions are compared with jsonata.js");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    for (expression, theirs) in expressions.iter().zip(theirs) {
        let ours =
            states::evaluate(expression, &bindings()).unwrap_or_else(|error| panic!("{expression}: {error}"));
        // `$string` writes an object's members in their order in both, so RUN and INPUT must be
        // equal to the letter.
        assert_eq!(ours, theirs, "{expression}");
    }
}
