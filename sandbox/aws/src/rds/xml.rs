//! The Query protocol's answers: XML, written by the API's shapes.

use std::fmt::Write;

use quick_xml::escape::escape;
use serde_json::Value;

use super::api::{API, Shape};
use super::error::Fault;

const NAMESPACE: &str = "http://rds.amazonaws.com/doc/2014-10-31/";

/// The document of a successful action. Members that are null are left out; one that the model
/// lacks is a mistake of ours.
pub fn answer(action: &str, result: &Value, request_id: &str) -> String {
    let mut xml = format!("<{action}Response xmlns=\"{NAMESPACE}\">");
    if let Some(output) = &API.operations[action].output {
        element(&mut xml, &format!("{action}Result"), result, &Shape::Named(output.clone()));
    }
    let _ = write!(
        xml,
        "<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    );
    xml
}

/// One structure of two halves: `json!` takes no more than about sixty members.
pub fn joined(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut members), Value::Object(more)) => {
            members.extend(more);
            Value::Object(members)
        }
        (first, _) => first,
    }
}

pub fn error(fault: &Fault, request_id: &str) -> String {
    let kind = if fault.status() < 500 { "Sender" } else { "Receiver" };
    let (code, message) = (fault.code, text(&fault.message));
    format!(
        "<ErrorResponse \
        xmlns=\"{NAMESPACE}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

fn element(xml: &mut String, name: &str, value: &Value, shape: &Shape) {
    if value.is_null() {
        return;
    }
    xml.extend(["<", name, ">"]);
    match (value, shape) {
        (Value::Array(items), Shape::List(element_name, inner)) => {
            for item in items {
                element(xml, element_name, item, inner);
            }
        }
        (Value::Object(members), Shape::Named(structure)) => {
            let known = &API
                .structures
                .get(structure)
                .unwrap_or_else(|| panic!("{name} is a {structure}, not a structure"))
                .members;
            for (member, value) in members {
                let shape = known
                    .get(member)
                    .unwrap_or_else(|| panic!("botocore rds 2014-10-31 has no {structure}.{member}"));
                element(xml, member, value, shape);
            }
        }
        (Value::String(content), _) if is_plain(content) => xml.push_str(content),
        (Value::String(content), _) => xml.push_str(&text(content)),
        (content, _) => {
            let _ = write!(xml, "{content}");
        }
    }
    xml.extend(["</", name, ">"]);
}

/// Whether it means the same in XML: nearly all that an answer holds.
fn is_plain(content: &str) -> bool {
    content.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"<>&'\"".contains(&byte))
}

/// XML 1.0 has no way to write most control characters; a log file may hold some.
fn text(content: &str) -> String {
    let printable: String =
        content.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r')).collect();
    escape(&printable).replace('\r', "&#13;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_written_under_its_element_name() {
        let xml = answer("ListTagsForResource", &json!({"TagList": [{"Key": "a", "Value": "<b>"}]}), "r");
        assert!(xml.contains("<ListTagsForResourceResult><TagList><Tag><Key>a</Key><Value>&lt;b&gt;</Value></Tag></TagList>"), "{xml}");
    }
}
