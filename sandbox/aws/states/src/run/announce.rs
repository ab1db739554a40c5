//! What EventBridge hears of: every change of an execution's status.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::execution::Execution;

impl Execution {
    /// The event of
    /// https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    pub fn announce(&self) {
        let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
        let (now, id) = (self.world.clock.now(), self.uuid());
        let envelope = {
            let ledger = self.ledger();
            let failure = ledger.failure.as_ref();
            json!({
                "version": "0",
                "id": id,
                "detail-type": "Step Functions Execution Status Change",
                "source": "aws.states",
                "account": endpoint::aws::ACCOUNT,
                "time": format!("{now:.0}"),
                "region": endpoint::aws::REGION,
                "resources": [self.arn],
                "detail": {
                    "executionArn": self.arn,
                    "stateMachineArn": self.machine.arn,
                    "stateMachineVersionArn": self.by.version_arn,
                    "stateMachineAliasArn": self.by.alias_arn,
                    "name": self.name,
                    "status": ledger.status.name(),
                    "startDate": self.started.as_millisecond(),
                    "stopDate": millis(ledger.stopped),
                    "input": self.input.text,
                    "inputDetails": {"included": true},
                    "output": ledger.output.as_ref().map(Value::to_string),
                    "outputDetails": ledger.output.as_ref().map(|_| json!({"included": true})),
                    "error": failure.and_then(|f| f.error.clone()),
                    "cause": failure.and_then(|f| f.cause.clone()),
                    "redriveCount": ledger.redrives,
                    "redriveDate": millis(ledger.redriven),
                    "redriveStatus": ledger.redrive_status(),
                    "redriveStatusReason": ledger.not_redrivable(),
                },
            })
        };
        // Nobody listens when the sandbox goes down.
        let _ = self.world.events.send(envelope);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::Fake;

    #[tokio::test(start_paused = true)]
    async fn every_status_change_is_announced() {
        let mut fake = Fake::alone();
        let arn =
            fake.start(json!({"Stop": {"Type": "Fail", "Error": "Mine"}}), "Stop", json!({"a": 1})).await;
        fake.finish(&arn).await;
        fake.api("RedriveExecution", json!({"executionArn": arn})).await;
        fake.finish(&arn).await;
        let mut heard = Vec::new();
        while let Ok(event) = fake.events.try_recv() {
            assert_eq!(
                (&event["source"], &event["detail-type"]),
                (&json!("aws.states"), &json!("Step Functions Execution Status Change"))
            );
            assert_eq!(
                (&event["resources"], &event["detail"]["input"]),
                (&json!([arn]), &json!("{\"a\":1}"))
            );
            let detail = &event["detail"];
            heard.push((
                detail["status"].clone(),
                detail["error"].clone(),
                detail["stopDate"].clone(),
                detail["redriveCount"].clone(),
            ));
        }
        let (running, failed) =
            ((json!("RUNNING"), Value::Null, Value::Null), (json!("FAILED"), json!("Mine"), json!(0)));
        let with = |(status, error, stop): &(Value, Value, Value), redrives: u32| {
            (status.clone(), error.clone(), stop.clone(), json!(redrives))
        };
        assert_eq!(heard, [with(&running, 0), with(&failed, 0), with(&running, 1), with(&failed, 1)]);
    }
}
