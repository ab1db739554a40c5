//! Names, lists and histories, by the actions that clients call.

use serde_json::{Value, json};

use crate::fake::{Fake, ROLE};

fn pause() -> Value {
    json!({"Pause": {"Type": "Wait", "Seconds": 60, "End": true}})
}

#[tokio::test(start_paused = true)]
async fn a_name_starts_once() {
    let fake = Fake::alone();
    let machine = fake.create("machine", pause(), "Pause").await;
    let start = async |input: &str| {
        fake.api("StartExecution", json!({"stateMachineArn": machine, "name": "n", "input": input})).await
    };
    let first = start("{}").await;
    fake.sleep(1).await;
    assert_eq!(start("{}").await, first);
    assert_eq!(start("{\"other\":1}").await["__type"], "ExecutionAlreadyExists");
    fake.finish(first["executionArn"].as_str().unwrap()).await;
    assert_eq!(start("{}").await["__type"], "ExecutionAlreadyExists");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_or_out_of_place_is_refused_in_the_words_of_the_service() {
    let fake = Fake::alone();
    let machine = fake.create("machine", pause(), "Pause").await;
    for (action, most) in [("ListExecutions", 3096), ("ListStateMachineVersions", 1024)] {
        let list = async |length: usize| {
            fake.api(action, json!({"stateMachineArn": machine, "nextToken": "x".repeat(length)})).await
        };
        assert_eq!(list(most).await["__type"], "InvalidToken", "{action}");
        let answer = list(most + 1).await;
        assert_eq!(answer["__type"], "ValidationException", "{action}");
        let words = format!(
            "'nextToken' failed to satisfy constraint: Member must have length less than or \
                             equal to {most}"
        );
        assert!(answer["message"].as_str().unwrap().ends_with(&words), "{answer}");
    }
    let update = json!({"stateMachineArn": machine, "roleArn": ROLE, "versionDescription": "one"});
    let answer = fake.api("UpdateStateMachine", update).await;
    assert_eq!(answer["message"], "Version description can only be set when publish is true");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_start_is_refused() {
    let fake = Fake::alone();
    let machine = fake.create("machine", pause(), "Pause").await;
    for (body, code) in [
        (json!({"stateMachineArn": machine, "name": "with space"}), "InvalidName"),
        (json!({"stateMachineArn": machine, "name": "x".repeat(81)}), "InvalidName"),
        (json!({"stateMachineArn": machine, "name": "a:b"}), "InvalidName"),
        (json!({"stateMachineArn": machine, "input": "{"}), "InvalidExecutionInput"),
        (
            json!({"stateMachineArn": machine, "input": json!("x".repeat(262_143)).to_string()}),
            "ValidationException",
        ),
        (json!({"stateMachineArn": format!("{machine}s")}), "StateMachineDoesNotExist"),
        (json!({"stateMachineArn": "machine"}), "InvalidArn"),
        (json!({}), "ValidationException"),
    ] {
        assert_eq!(fake.api("StartExecution", body.clone()).await["__type"], code, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn creating_is_idempotent_and_a_running_execution_keeps_its_definition() {
    let fake = Fake::alone();
    let machine = fake.create("machine", pause(), "Pause").await;
    assert_eq!(fake.create("machine", pause(), "Pause").await, machine);
    let other = json!({"QueryLanguage": "JSONata", "StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
        .to_string();
    let create = json!({"name": "machine", "roleArn": ROLE, "definition": other});
    assert_eq!(fake.api("CreateStateMachine", create).await["__type"], "StateMachineAlreadyExists");

    let arn = fake.api("StartExecution", json!({"stateMachineArn": machine})).await["executionArn"].clone();
    fake.api("UpdateStateMachine", json!({"stateMachineArn": machine, "definition": other})).await;
    assert_eq!(
        fake.api("DescribeStateMachine", json!({"stateMachineArn": machine})).await["definition"],
        json!(other)
    );
    let of_execution = fake.api("DescribeStateMachineForExecution", json!({"executionArn": arn})).await;
    assert!(of_execution["definition"].as_str().unwrap().contains("Pause"));
    assert_eq!(fake.finish(arn.as_str().unwrap()).await["stopDate"], 60.0);
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages_newest_first() {
    let fake = Fake::alone();
    let machine = fake.create("machine", pause(), "Pause").await;
    for n in 0..5 {
        fake.api("StartExecution", json!({"stateMachineArn": machine, "name": format!("n{n}")})).await;
        fake.sleep(31).await;
    }
    let list = async |more: Value| {
        let mut body = json!({"stateMachineArn": machine, "maxResults": 2});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = fake.api("ListExecutions", body).await;
        let names = answer["executions"]
            .as_array()
            .map(|l| l.iter().map(|e| e["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
        (names, answer["nextToken"].clone())
    };
    let (first, token) = list(json!({})).await;
    assert_eq!(first.unwrap(), ["n4", "n3"]);
    let (second, token) = list(json!({"nextToken": token})).await;
    assert_eq!(second.unwrap(), ["n2", "n1"]);
    assert_eq!(list(json!({"nextToken": token})).await, (Some(vec!["n0".to_owned()]), Value::Null));
    assert_eq!(list(json!({"statusFilter": "RUNNING"})).await, (Some(vec!["n4".to_owned()]), Value::Null));
    assert_eq!(list(json!({"nextToken": "x"})).await.0, None);
}

#[tokio::test(start_paused = true)]
async fn the_history_is_read_in_pages_and_without_data_when_asked() {
    let fake = Fake::alone();
    let run = fake.run(pause(), "Pause", json!({"secret": 1})).await;
    let arn = &run["executionArn"];
    let page = fake
        .api(
            "GetExecutionHistory",
            json!({"executionArn": arn, "maxResults": 3, "includeExecutionData": false}),
        )
        .await;
    assert_eq!(page["events"].as_array().unwrap().len(), 3);
    assert!(!page.to_string().contains("secret"));
    let rest =
        fake.api("GetExecutionHistory", json!({"executionArn": arn, "nextToken": page["nextToken"]})).await;
    assert_eq!(rest["events"][0]["id"], 4);
    assert_eq!(rest["events"][0]["executionSucceededEventDetails"]["output"], "{\"secret\":1}");
    assert_eq!((&rest["events"][0]["timestamp"], &rest["nextToken"]), (&json!(60.0), &Value::Null));
}

/// localstack/localstack, v2/test_sfn_api.snapshot.json,
/// test_create_update_state_machine_same_parameters and …_base_update_none.
#[tokio::test(start_paused = true)]
async fn an_update_that_changes_nothing_keeps_the_revision() {
    let fake = Fake::alone();
    let machine = fake.create("machine", pause(), "Pause").await;
    let update = async |role: &str| {
        fake.api("UpdateStateMachine", json!({"stateMachineArn": machine, "roleArn": role})).await
    };
    assert_eq!(update(ROLE).await, json!({"updateDate": 0.0}));
    let revision = update("another").await["revisionId"].clone();
    assert!(revision.is_string());
    assert_eq!(update("another").await["revisionId"], revision);
    let described = fake.api("DescribeStateMachine", json!({"stateMachineArn": machine})).await;
    assert_eq!(described["revisionId"], revision);
    assert_ne!(update(ROLE).await["revisionId"], revision);
    let nothing = fake.api("UpdateStateMachine", json!({"stateMachineArn": machine})).await;
    assert_eq!(nothing["__type"], "MissingRequiredParameter");
}

#[tokio::test(start_paused = true)]
async fn filters_and_sizes_of_lists_are_checked() {
    let fake = Fake::alone();
    let machine = fake.create("machine", pause(), "Pause").await;
    for (more, message) in [
        (
            json!({"statusFilter": "STOPPED"}),
            "Value 'STOPPED' at 'statusFilter' failed to satisfy constraint",
        ),
        (json!({"maxResults": 1001}), "Member must have value less than or equal to 1000"),
        (json!({"maxResults": -1}), "Member must have value greater than or equal to 0"),
        (json!({"maxResults": "2"}), "'maxResults'"),
    ] {
        let mut body = json!({"stateMachineArn": machine});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = fake.api("ListExecutions", body).await;
        assert_eq!(answer["__type"], "ValidationException", "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{answer}");
    }
    let all = json!({"stateMachineArn": machine, "maxResults": 0, "statusFilter": "PENDING_REDRIVE"});
    assert_eq!(fake.api("ListExecutions", all).await, json!({"executions": []}));
}

#[tokio::test(start_paused = true)]
async fn the_api_says_so() {
    let fake = Fake::alone();
    let bad =
        json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}})
            .to_string();
    let answer =
        fake.api("CreateStateMachine", json!({"name": "m", "roleArn": "r", "definition": bad})).await;
    assert_eq!(answer["__type"], "InvalidDefinition");
    let answer = fake.api("ValidateStateMachineDefinition", json!({"definition": bad})).await;
    assert_eq!(
        (&answer["result"], &answer["diagnostics"][0]["location"]),
        (&json!("FAIL"), &json!("/States/A/Next"))
    );
    let good = bad.replace("\"Next\":\"B\"", "\"End\":true");
    assert_eq!(fake.api("ValidateStateMachineDefinition", json!({"definition": good})).await["result"], "OK");
}
