//! No password, no masking key and no row is in anything that a run tells: asked at the end of
//! every run of every test, whether it went well or failed, wherever it failed.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use sandbox::{Options, Sandbox, sandbox::BUCKET};
use serde_json::{Value, json};

mod failures;

/// Of the shop's customers (sandbox/data/shop): no masked address has one of these.
const DOMAINS: [&str; 3] = ["@mail.example", "@post.example", "@inbox.example"];

/// Rows of several kinds, which tests/it/canaries/failures.rs plants.
const PLANT: &str = r#"
    CREATE TABLE public.canaries (
        id int PRIMARY KEY, name text, phone text, card text, words text, profile jsonb,
        document bytea, seat text
    );
    INSERT INTO public.canaries VALUES
        (1, 'Kanaria Zeisigmann', '+49 30 99887766', '4711471147114711', 'Der Zeisig singt nur nachts',
         '{"nickname": "piepmatz"}', 'Gelbes Gefieder', 'Kanariensitz 12 C')"#;
const ROW: [&str; 8] = [
    "Zeisigmann",
    "99887766",
    "4711471147114711",
    "Zeisig singt",
    "piepmatz",
    "Gelbes Gefieder",
    "Kanariensitz",
    // The bytes as PostgreSQL writes them.
    "47656c626573204765666965646572",
];

/// What of the secrets nobody may say.
fn secrets(sandbox: &Sandbox) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in sandbox.secrets.strings() {
        let Ok(Value::Object(members)) = serde_json::from_str::<Value>(&text) else { continue };
        for name in ["password", "key"] {
            found.extend(members.get(name).and_then(Value::as_str).map(str::to_owned));
        }
    }
    // A short one is in some word by accident.
    found.retain(|secret| secret.len() >= 10);
    found
}

/// Everything that a run has told, by where it stands.
async fn told(sandbox: &Sandbox, execution: &str) -> Vec<(String, String)> {
    let name = execution.rsplit(':').next().unwrap_or_default();
    let mut told = Vec::new();
    for key in sandbox.s3.list(BUCKET, &format!("runs/{name}/")) {
        // The policy is a copy of what a person wrote.
        if let Some(bytes) = sandbox.s3.get(BUCKET, &key).filter(|_| !key.ends_with("policy.yaml")) {
            told.push((key, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    let events = sandbox.events.published().into_iter();
    told.extend(events.map(|published| ("an event".to_owned(), published.event.to_string())));
    let beside = &sandbox.beside;
    told.extend(beside.slack.messages().iter().map(|message| ("Slack".to_owned(), message.to_string())));
    let items = beside.sentry.items().into_iter();
    told.extend(items.map(|item| ("Sentry".to_owned(), item.payload.to_string())));
    told.extend(beside.datadog.entries().iter().map(|entry| ("Datadog".to_owned(), entry.to_string())));
    let history = sandbox.sfn().get_execution_history().execution_arn(execution).reverse_order(true);
    let history = history.include_execution_data(true).max_results(1000).send().await;
    told.extend(history.map(|history| ("the history".to_owned(), format!("{:?}", history.events()))));
    // There are none in the model gear.
    for entry in std::fs::read_dir(&sandbox.logs).into_iter().flatten().flatten() {
        let text = std::fs::read(entry.path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        told.extend(text.map(|text| (entry.path().display().to_string(), text)));
    }
    told
}

async fn found(sandbox: &Sandbox, execution: &str) -> Vec<String> {
    said(&told(sandbox, execution).await, &secrets(sandbox))
}

fn said(told: &[(String, String)], secrets: &BTreeSet<String>) -> Vec<String> {
    let canaries: Vec<&str> = secrets.iter().map(String::as_str).chain(DOMAINS).chain(ROW).collect();
    // One pass for all of them: every run of every test comes here with all that it has told.
    let search = AhoCorasick::new(&canaries).unwrap();
    let mut said = Vec::new();
    for (place, text) in told {
        let found: BTreeSet<_> = search.find_overlapping_iter(text).map(|found| found.pattern()).collect();
        said.extend(found.iter().map(|canary| format!("{:?} is in {place}", canaries[canary.as_usize()])));
    }
    said
}

/// Rows that a single text tells.
pub fn rows_in(text: &str) -> Vec<String> {
    said(&[("the text".to_owned(), text.to_owned())], &BTreeSet::new())
}

#[track_caller]
fn is_empty(found: &[String]) {
    assert!(found.is_empty(), "a run has told:\n{}", found.join("\n"));
}

pub async fn none_is_told(sandbox: &Sandbox, execution: &str) {
    is_empty(&found(sandbox, execution).await);
}

#[tokio::test(start_paused = true)]
async fn a_secret_and_a_row_that_are_told_are_found_wherever_they_stand() {
    let sandbox = Sandbox::start(Options::model(1)).await.unwrap();
    let cx = sandbox::orders::context(&sandbox);
    let secret = json!({ "username": "shop", "password": "a password of the shop" }).to_string();
    cx.secrets.create_secret().name("shop").secret_string(secret).send().await.unwrap();
    let arn =
        sandbox.start_execution("major-upgrade", "one", &json!({ "cluster": "nowhere" })).await.unwrap();
    crate::harness::ended(&sandbox, arn.clone()).await;
    for (key, words) in [
        ("runs/one/findings.json", "the login 'a password of the shop' is refused"),
        ("runs/one/report.json", "the row (anna.weber7@post.example) fits no partition"),
        ("runs/one/analyze.json", "invalid input syntax for type bigint: \"Kanariensitz 12 C\""),
    ] {
        cx.store.put(key, "text/plain", words.into()).await.unwrap();
        assert_eq!(found(&sandbox, &arn).await.len(), 1, "{key}");
        cx.store.put(key, "text/plain", vec![]).await.unwrap();
    }
    // Each of a row's values, wherever a run tells it, is found as itself.
    for canary in ROW {
        assert!(PLANT.contains(canary) || canary.starts_with("4765"), "{canary} is planted");
        let told = [("a log".to_owned(), format!("DETAIL: Failing row contains ({canary}).")); 1];
        assert_eq!(said(&told, &BTreeSet::new()), [format!("{canary:?} is in a log")]);
    }
    let event = json!({ "source": "test", "detail": { "text": "a password of the shop" } });
    sandbox.events.publish("arn:aws:events:eu-west-1:444455556666:event-bus/default", event);
    assert_eq!(found(&sandbox, &arn).await.len(), 1);
}
