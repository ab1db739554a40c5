//! Versions:
//! https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-version.html and,
//! for what they answer, localstack/localstack, v2/test_sfn_api_versioning.snapshot.json.

use serde_json::{Value, json};

use super::arn::{MachineArn, entry};
use super::request::{Answer, arn, error, paged};
use crate::StepFunctions;
use crate::run::history::epoch;

pub fn publish(service: &StepFunctions, body: &Value) -> Answer {
    let now = service.world.clock.now();
    let mut registry = service.registry();
    let entry = entry(&mut registry, body)?;
    if let Some(revision) = body["revisionId"].as_str()
        && entry.current.revision.as_deref() != Some(revision)
    {
        let message = format!("Failed to publish the State Machine version for revision {revision}");
        return error("ConflictException", message);
    }
    let number = entry.publish(now, body["description"].as_str().map(str::to_owned));
    let created = entry.versions.get(&number).map(|version| epoch(version.created));
    let arn = format!("{}:{number}", entry.current.arn);
    Ok(json!({"stateMachineVersionArn": arn, "creationDate": created}))
}

pub fn list(service: &StepFunctions, body: &Value) -> Answer {
    let mut registry = service.registry();
    let entry = entry(&mut registry, body)?;
    let newest_first = entry.versions.iter().rev().map(|(number, version)| {
        let arn = format!("{}:{number}", entry.current.arn);
        json!({"stateMachineVersionArn": arn, "creationDate": epoch(version.created)})
    });
    paged(newest_first.collect(), body, "stateMachineVersions")
}

/// One that is not there is deleted already.
pub fn delete(service: &StepFunctions, body: &Value) -> Answer {
    let named = MachineArn::read(arn(body, "stateMachineVersionArn")?);
    let Some(number) = named.version() else {
        return error("ValidationException", "the ARN is not that of a version");
    };
    if let Some(entry) = service.registry().machines.get_mut(&named.machine) {
        let routes_to =
            |alias: &&String| entry.aliases[*alias].routes.iter().any(|route| route.version == number);
        let aliases: Vec<_> = entry.aliases.keys().filter(routes_to).cloned().collect();
        if !aliases.is_empty() {
            let message = format!(
                "Version to be deleted must not be referenced by an alias. Current list of aliases \
                referencing this version: [{}]",
                aliases.join(", ")
            );
            return error("ConflictException", message);
        }
        entry.versions.remove(&number);
    }
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::{Fake, ROLE};

    fn definition(output: u32) -> String {
        json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed",
            "Output": output}}})
        .to_string()
    }

    /// localstack/localstack, v2/test_sfn_api_versioning.snapshot.json.
    #[tokio::test(start_paused = true)]
    async fn a_version_is_published_once_a_revision_and_runs_as_it_was() {
        let fake = Fake::alone();
        let create = json!({"name": "m", "roleArn": ROLE, "definition": definition(1), "publish": true});
        let created = fake.api("CreateStateMachine", create).await;
        let machine = created["stateMachineArn"].as_str().unwrap().to_owned();
        assert_eq!(created["stateMachineVersionArn"], format!("{machine}:1"));
        let publish =
            async || fake.api("PublishStateMachineVersion", json!({"stateMachineArn": machine})).await;
        assert_eq!(publish().await["stateMachineVersionArn"], format!("{machine}:1"));

        let update = json!({"stateMachineArn": machine, "definition": definition(2), "publish": true});
        let updated = fake.api("UpdateStateMachine", update).await;
        assert_eq!(updated["stateMachineVersionArn"], format!("{machine}:2"));
        fake.api("DeleteStateMachineVersion", json!({"stateMachineVersionArn": format!("{machine}:2")}))
            .await;
        assert_eq!(publish().await["stateMachineVersionArn"], format!("{machine}:3"));
        let listed = fake.api("ListStateMachineVersions", json!({"stateMachineArn": machine})).await;
        let arns: Vec<_> = listed["stateMachineVersions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v["stateMachineVersionArn"].clone())
            .collect();
        assert_eq!(arns, [json!(format!("{machine}:3")), json!(format!("{machine}:1"))]);

        for (arn, output, version) in [
            (format!("{machine}:1"), "1", json!(format!("{machine}:1"))),
            (machine.clone(), "2", Value::Null),
        ] {
            let answer = fake.api("StartExecution", json!({"stateMachineArn": arn})).await;
            let run = fake.finish(answer["executionArn"].as_str().unwrap()).await;
            assert_eq!((&run["output"], &run["stateMachineVersionArn"]), (&json!(output), &version));
            assert_eq!(run["stateMachineArn"], json!(machine));
            let listed = fake.api("ListExecutions", json!({"stateMachineArn": format!("{machine}:1")})).await;
            assert_eq!(listed["executions"].as_array().unwrap().len(), 1);
        }
        let described =
            fake.api("DescribeStateMachine", json!({"stateMachineArn": format!("{machine}:1")})).await;
        assert_eq!(described["definition"], definition(1));
        let gone = fake.api("DescribeStateMachine", json!({"stateMachineArn": format!("{machine}:2")})).await;
        assert_eq!(gone["__type"], "StateMachineDoesNotExist");
        let stale = json!({"stateMachineArn": machine, "revisionId": "another"});
        assert_eq!(fake.api("PublishStateMachineVersion", stale).await["__type"], "ConflictException");
    }
}
