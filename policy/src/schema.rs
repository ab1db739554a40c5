//! The JSON Schema of the policy. Editors complete and check with it; so does
//! [`crate::Policy::parse`].

use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::Value;

use crate::types::Policy;

pub fn schema() -> Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings = settings
        .with_transform(RecursiveTransform(left_out_is_not_null))
        .with_transform(RecursiveTransform(one_line));
    settings.into_generator().into_root_schema_for::<Policy>()
}

/// A key that may be left out is left out; it is never null.
fn left_out_is_not_null(schema: &mut Schema) {
    let null = Value::from("null");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| *kind != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    let some = schema.get("anyOf").and_then(Value::as_array).and_then(|alternatives| {
        match alternatives.as_slice() {
            [some, none] if none["type"] == null => some.as_object().cloned(),
            _ => None,
        }
    });
    if let Some(some) = some {
        schema.remove("anyOf");
        some.into_iter().for_each(|(key, value)| drop(schema.insert(key, value)));
    }
}

/// The line breaks of a doc comment mean nothing.
fn one_line(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}
