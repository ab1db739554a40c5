use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::aws::arn;
use crate::http::{Caller, respond};
use crate::template::Variables;

/// Stands for the gateway: keeps the calls, and answers with the statuses given, then 202.
#[derive(Default)]
struct Gateway {
    statuses: Mutex<VecDeque<u16>>,
    calls: Mutex<Vec<(String, String, Value)>>,
}

#[async_trait]
impl Endpoint for Gateway {
    async fn call(&self, request: Request) -> Response {
        let caller = request.extensions().get::<Caller>().unwrap();
        let body = serde_json::from_slice(request.body()).unwrap();
        self.calls.lock().unwrap().push((caller.service.clone(), request.uri().path().to_owned(), body));
        respond(self.statuses.lock().unwrap().pop_front().unwrap_or(202), "application/json", "")
    }
}

fn rule(pattern: Value, target: Value) -> Rule {
    serde_json::from_value(json!({ "name": "rule", "pattern": pattern, "targets": [target] })).unwrap()
}

fn events(rules: Vec<Rule>, statuses: &[u16]) -> (Arc<Events>, Arc<Gateway>, Clock) {
    let clock = Clock::virtual_time("2026-01-01T00:00:00Z".parse().unwrap());
    let gateway =
        Arc::new(Gateway { statuses: Mutex::new(statuses.iter().copied().collect()), ..Default::default() });
    let weak: Weak<dyn Endpoint> = Arc::downgrade(&(gateway.clone() as Arc<dyn Endpoint>));
    (Events::new(clock, weak, "aurora-runbooks", (rules, vec![]), Arc::default()).unwrap(), gateway, clock)
}

async fn put(events: &Arc<Events>, entries: Value) -> (u16, Value) {
    json::call(&**events, "AWSEvents.PutEvents", json!({ "Entries": entries })).await
}

#[test]
fn an_input_transformer_puts_a_text_into_its_template_in_quotes() {
    let transform: rules::Transform = serde_json::from_value(json!({
        "paths": {"name": "$.detail.name", "count": "$.detail.count", "none": "$.detail.none"},
        "template": "{\"after\": <name>, \"count\": <count>, \"none\": <none>}"
    }))
    .unwrap();
    let event = json!({"detail": {"name": "it \"is\"", "count": 3}});
    let text = transform.apply(&event);
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        json!({"after": "it \"is\"", "count": 3, "none": ""})
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_of_a_service_reaches_the_function_of_its_rule() {
    let ours = arn("states", "stateMachine:aurora-runbooks-major-upgrade");
    let variables = Variables::default().set_all("state_machines", [ours.clone()]);
    let variables = variables.set("region", REGION).set("account", ACCOUNT).set("prefix", "aurora-runbooks");
    let variables = variables.set("exported_snapshots", "rds:orders-");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/events");
    let rules = load_rules(&folder, &variables).unwrap();
    let (events, gateway, clock) = events(rules, &[]);
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(events.clone().run(receiver));
    let someone_elses = arn("states", "stateMachine:invoices");
    for (status, machine) in
        [("RUNNING", &ours), ("SUCCEEDED", &ours), ("PENDING_REDRIVE", &ours), ("FAILED", &someone_elses)]
    {
        let detail = json!({ "status": status, "stateMachineArn": machine });
        let ids = Ids::new(status);
        sender
            .send(envelope(
                &ids,
                clock.now(),
                "aws.states",
                "Step Functions Execution Status Change",
                vec![],
                detail,
            ))
            .unwrap();
    }
    clock.sleep(Duration::from_secs(1)).await;
    let calls = gateway.calls.lock().unwrap().clone();
    assert_eq!(calls.len(), 2);
    assert_eq!(
        (calls[0].0.as_str(), calls[0].1.as_str()),
        ("lambda", "/2015-03-31/functions/aurora-runbooks-report-run/invocations")
    );
    assert_eq!(
        (&calls[0].2["detail"]["status"], &calls[0].2["time"]),
        (&json!("RUNNING"), &json!("2026-01-01T00:00:00Z"))
    );
    assert_eq!(events.published().len(), 4);
    let deliveries = events.deliveries();
    assert_eq!((deliveries.len(), deliveries[0].status, deliveries[0].attempts), (2, 202, 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_starts_a_state_machine_with_the_input_of_its_target() {
    let target = json!({ "id": "sync", "statemachine": "daily-sync", "input": { "target": "dev" } });
    let (events, gateway, clock) = events(vec![rule(json!({ "source": ["ours"] }), target)], &[]);
    let (_, answer) =
        put(&events, json!([{ "Source": "ours", "DetailType": "Ready", "Detail": "{}" }])).await;
    clock.sleep(Duration::from_secs(1)).await;
    let (service, _, body) = gateway.calls.lock().unwrap()[0].clone();
    assert_eq!(service, "states");
    assert_eq!(
        body["stateMachineArn"],
        "arn:aws:states:eu-west-1:444455556666:stateMachine:aurora-runbooks-daily-sync"
    );
    assert_eq!(body["input"], r#"{"target":"dev"}"#);
    assert_eq!(body["name"], answer["Entries"][0]["EventId"]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_delivery_is_tried_again_and_a_refused_one_is_not() {
    let target = json!({ "id": "run", "function": "run" });
    let (events, gateway, clock) =
        events(vec![rule(json!({ "source": ["ours"] }), target)], &[429, 503, 202, 404]);
    for detail in ["{}", "{}"] {
        put(&events, json!([{ "Source": "ours", "DetailType": "Ready", "Detail": detail }])).await;
        clock.sleep(Duration::from_secs(600)).await;
    }
    let outcomes: Vec<_> =
        events.deliveries().iter().map(|delivery| (delivery.attempts, delivery.status)).collect();
    assert_eq!(outcomes, [(3, 202), (1, 404)]);
    assert_eq!(gateway.calls.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn entries_fail_one_by_one() {
    let (events, _, _) = events(vec![], &[]);
    let (status, answer) = put(
        &events,
        json!([
            { "Source": "ours", "DetailType": "Ready", "Detail": "{\"a\": 1}", "Resources": ["r"],
                "Time": 1767225600 },
            { "Source": "aws.rds", "DetailType": "Ready", "Detail": "{}" },
            { "Source": "ours", "DetailType": "Ready", "Detail": "a" },
            { "Source": "ours", "Detail": "{}" },
        ]),
    )
    .await;
    assert_eq!((status, &answer["FailedEntryCount"]), (200, &json!(3)));
    let codes: Vec<_> =
        answer["Entries"].as_array().unwrap().iter().map(|entry| entry["ErrorCode"].as_str()).collect();
    assert_eq!(
        codes,
        [None, Some("NotAuthorizedForSourceException"), Some("MalformedDetail"), Some("InvalidArgument")]
    );
    let published = events.published();
    assert_eq!(
        (published.len(), &published[0].event["detail"], &published[0].event["time"]),
        (1, &json!({ "a": 1 }), &json!("2026-01-01T00:00:00Z"))
    );
    let entry = json!({ "Source": "ours", "DetailType": "Ready", "Detail": "{}" });
    let (status, error) = put(&events, json!(vec![entry; 11])).await;
    assert_eq!((status, &error["__type"]), (400, &json!("ValidationException")));
}

#[tokio::test]
async fn rules_are_told() {
    let (events, _, _) =
        events(vec![rule(json!({ "source": ["ours"] }), json!({ "id": "run", "function": "run" }))], &[]);
    let (_, list) = json::call(&*events, "AWSEvents.ListRules", json!({})).await;
    assert_eq!(list["Rules"][0]["EventPattern"], r#"{"source":["ours"]}"#);
    assert_eq!(
        json::call(&*events, "AWSEvents.DescribeRule", json!({ "Name": "rule" })).await.1,
        list["Rules"][0]
    );
    assert_eq!(
        json::call(&*events, "AWSEvents.DescribeRule", json!({ "Name": "other" })).await.1["__type"],
        "ResourceNotFoundException"
    );
    let misspelt = json!({ "name": "rule", "pattern": { "source": ["a"] },
            "targets": [{ "id": "run", "functoin": "run" }] });
    assert!(serde_json::from_value::<Rule>(misspelt).is_err());
}
