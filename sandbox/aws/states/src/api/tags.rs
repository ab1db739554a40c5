//! Tags of a state machine, as localstack/localstack, v2/test_sfn_api_tagging.snapshot.json shows
//! them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::request::{Answer, ApiError, arn, error, invalid};
use crate::StepFunctions;
use crate::registry::{Entry, Registry};

pub fn tag(service: &StepFunctions, body: &Value) -> Answer {
    let tags = read(&body["tags"])?;
    let mut registry = service.registry();
    let entry = resource(&mut registry, body)?;
    // "An array of key-value pairs" may reach 50 (page "service-quotas").
    let mut all = entry.tags.clone();
    all.extend(tags);
    if all.len() > 50 {
        return error("TooManyTags", "a resource has at most 50 tags");
    }
    entry.tags = all;
    Ok(json!({}))
}

pub fn untag(service: &StepFunctions, body: &Value) -> Answer {
    let mut registry = service.registry();
    let entry = resource(&mut registry, body)?;
    for key in body["tagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        entry.tags.remove(key);
    }
    Ok(json!({}))
}

pub fn list(service: &StepFunctions, body: &Value) -> Answer {
    let mut registry = service.registry();
    let tags = &resource(&mut registry, body)?.tags;
    let tags: Vec<_> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    Ok(json!({"tags": tags}))
}

/// The lengths are those of TagKey and TagValue in botocore stepfunctions/2016-11-23.
pub fn read(tags: &Value) -> Result<BTreeMap<String, String>, ApiError> {
    let mut read = BTreeMap::new();
    for (index, tag) in tags.as_array().into_iter().flatten().enumerate() {
        let field = format!("tags.{}.member", index + 1);
        let (Some(key), Some(value)) = (tag["key"].as_str(), tag["value"].as_str()) else {
            return invalid(&field, None, "not be null");
        };
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            return invalid(&field, None, "have length less than or equal to 128 (key) and 256 (value)");
        }
        read.insert(key.to_owned(), value.to_owned());
    }
    Ok(read)
}

fn resource<'a>(registry: &'a mut Registry, body: &Value) -> Result<&'a mut Entry, ApiError> {
    let arn = arn(body, "resourceArn")?;
    let absent = || error("ResourceNotFound", format!("Resource not found: '{arn}'"));
    registry.machines.get_mut(arn).map_or_else(absent, Ok)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::{Fake, ROLE};

    #[tokio::test(start_paused = true)]
    async fn a_machine_has_tags_and_a_version_has_none() {
        let fake = Fake::alone();
        let definition =
            json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed"}}});
        let create = json!({"name": "m", "roleArn": ROLE, "definition": definition.to_string(),
            "publish": true,
            "tags": [{"key": "a", "value": "1"}]});
        let created = fake.api("CreateStateMachine", create).await;
        let machine = created["stateMachineArn"].clone();
        let tags = json!([{"key": "b", "value": ""}, {"key": "a", "value": "2"}]);
        assert_eq!(fake.api("TagResource", json!({"resourceArn": machine, "tags": tags})).await, json!({}));
        fake.api("UntagResource", json!({"resourceArn": machine, "tagKeys": ["b", "absent"]})).await;
        let listed = fake.api("ListTagsForResource", json!({"resourceArn": machine})).await;
        assert_eq!(listed, json!({"tags": [{"key": "a", "value": "2"}]}));
        let version = json!({"resourceArn": created["stateMachineVersionArn"], "tags": tags});
        assert_eq!(fake.api("TagResource", version).await["__type"], "ResourceNotFound");
        let no_value = json!({"resourceArn": machine, "tags": [{"key": "k"}]});
        assert_eq!(fake.api("TagResource", no_value).await["__type"], "ValidationException");
        let many: Vec<_> = (0..50).map(|n| json!({"key": format!("k{n}"), "value": "v"})).collect();
        assert_eq!(
            fake.api("TagResource", json!({"resourceArn": machine, "tags": many})).await["__type"],
            "TooManyTags"
        );
    }
}
