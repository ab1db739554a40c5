//! https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html

use super::reader::{Fields, Reader};
use super::resource::Resource;
use super::setting::Setting;
use crate::jsonata::Template;

#[derive(Debug)]
pub struct Task {
    pub resource: Resource,
    pub arguments: Option<Template>,
    pub timeout_seconds: Option<Setting<u64>>,
    pub heartbeat_seconds: Option<Setting<u64>>,
}

impl Task {
    pub fn read(reader: &mut Reader, fields: &mut Fields) -> Option<Self> {
        fields.require(reader, &["Resource"]);
        let resource = fields.text(reader, "Resource").and_then(|name| {
            let resource = Resource::named(&name);
            if resource.is_none() {
                // The text: localstack/localstack,
                // v2/services/test_dynamodb_task_service.snapshot.json.
                let message = format!(
                    "The resource provided {name} is not recognized. The value is not a valid resource ARN, \
                    or the resource is not available in this region."
                );
                reader.refuse(&fields.at("Resource"), message);
            }
            resource
        });
        let arguments = fields.template(reader, "Arguments");
        if let (Some(resource), Some(arguments)) = (resource, &arguments) {
            check_arguments(reader, &fields.at("Arguments"), resource, arguments);
        }
        let timeout_seconds = Setting::seconds(reader, fields, "TimeoutSeconds", 1);
        let heartbeat_seconds = Setting::seconds(reader, fields, "HeartbeatSeconds", 1);
        let known = |setting: &Option<Setting<u64>>| setting.as_ref().and_then(Setting::value);
        if known(&timeout_seconds).zip(known(&heartbeat_seconds)).is_some_and(|(most, beat)| beat >= most) {
            reader.refuse(
                &fields.at("HeartbeatSeconds"),
                "HeartbeatSeconds must be smaller than TimeoutSeconds",
            );
        }
        Some(Self { resource: resource?, arguments, timeout_seconds, heartbeat_seconds })
    }
}

fn check_arguments(reader: &mut Reader, place: &str, resource: Resource, arguments: &Template) {
    let Some(keys) = arguments.keys() else {
        if arguments.source().is_none() {
            reader.refuse(place, "must be an object or an expression");
        }
        return;
    };
    for key in keys.iter().filter(|key| !resource.arguments().contains(key)) {
        reader.refuse(place, format!("The field \"{key}\" is not supported by Step Functions"));
    }
    for required in resource.required().iter().filter(|required| !keys.contains(required)) {
        reader.refuse(place, format!("The field \"{required}\" is required but was missing"));
    }
}
