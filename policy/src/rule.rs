//! Masking rules: what becomes of a column.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Number, Value, json};

use crate::values::JsonPath;

/// What becomes of a column. In the file a rule without parameters is its name (`email: email`),
/// one with parameters a mapping (`birthday: {rule: date-shift, days: 30}`).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(remote = "Self", tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rule {
    Keep,
    Email,
    Name,
    Phone,
    Address,
    FreeText,
    Ip,
    Url,
    Uuid,
    Integer {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    Numeric {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<Number>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<Number>,
    },
    DateShift {
        days: u32,
    },
    Json {
        paths: BTreeMap<JsonPath, Rule>,
    },
    Constant {
        value: String,
    },
    Null,
    Hash,
    Sql {
        expression: String,
    },
}

impl Rule {
    /// The name that the file gives it.
    pub fn name(&self) -> &'static str {
        match self {
            Rule::Keep => "keep",
            Rule::Email => "email",
            Rule::Name => "name",
            Rule::Phone => "phone",
            Rule::Address => "address",
            Rule::FreeText => "free-text",
            Rule::Ip => "ip",
            Rule::Url => "url",
            Rule::Uuid => "uuid",
            Rule::Integer { .. } => "integer",
            Rule::Numeric { .. } => "numeric",
            Rule::DateShift { .. } => "date-shift",
            Rule::Json { .. } => "json",
            Rule::Constant { .. } => "constant",
            Rule::Null => "null",
            Rule::Hash => "hash",
            Rule::Sql { .. } => "sql",
        }
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(deserializer)? {
            Value::String(name) => json!({ "rule": name }),
            Value::Null => json!({ "rule": "null" }),
            value => value,
        };
        Rule::deserialize(value).map_err(D::Error::custom)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Rule::serialize(self, serde_json::value::Serializer).map_err(serde::ser::Error::custom)? {
            Value::Object(fields) if fields.len() == 1 => serializer.serialize_str(self.name()),
            long => long.serialize(serializer),
        }
    }
}

/// What becomes of a table: it is emptied, or each of its columns has a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum TableRule {
    Truncate,
    Columns(BTreeMap<String, Rule>),
}

impl<'de> Deserialize<'de> for TableRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "truncate" => Ok(TableRule::Truncate),
            columns @ Value::Object(_) => {
                serde_json::from_value(columns).map(TableRule::Columns).map_err(D::Error::custom)
            }
            other => Err(D::Error::custom(format!("{other} is neither truncate nor the table's columns"))),
        }
    }
}

impl Serialize for TableRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            TableRule::Truncate => serializer.serialize_str("truncate"),
            TableRule::Columns(columns) => columns.serialize(serializer),
        }
    }
}

/// Every rule: its name, what it does to a value, the parameters it takes and those among them that
/// it needs.
fn rules() -> Vec<(&'static str, &'static str, Value, &'static [&'static str])> {
    let none = || json!({});
    let number = json!({"type": "number"});
    vec![
        ("keep", "The value stays. A generated column is computed again from masked ones.", none(), &[]),
        ("email", "Another address, unique when the values are.", none(), &[]),
        ("name", "Another name.", none(), &[]),
        ("phone", "Another number of the same form.", none(), &[]),
        ("address", "Another street and number, postcode or city.", none(), &[]),
        ("free-text", "Words without meaning, as long as the text was.", none(), &[]),
        ("ip", "Another address of the same family.", none(), &[]),
        ("url", "Another URL.", none(), &[]),
        ("uuid", "Another UUID, unique when the values are.", none(), &[]),
        (
            "integer",
            "Another whole number between min and max, unique when the values are.",
            json!({"min": {"type": "integer"}, "max": {"type": "integer"}}),
            &[],
        ),
        ("numeric", "Another number between min and max.", json!({"min": number, "max": number}), &[]),
        (
            "date-shift",
            "A date or time at most this many days away, the same distance for equal values.",
            json!({"days": {"type": "integer", "minimum": 1, "maximum": 36500}}),
            &["days"],
        ),
        (
            "json",
            "Rules for what stands at paths in a JSON document; the rest of the document stays.",
            json!({"paths": {
                "type": "object", "minProperties": 1, "propertyNames": {"format": "json-path"},
                "additionalProperties": {"$ref": "#/$defs/Rule"},
            }}),
            &["paths"],
        ),
        ("constant", "This value, the same in every row.", json!({"value": {"type": "string"}}), &["value"]),
        ("null", "NULL.", none(), &[]),
        ("hash", "A keyed hash of the value, in hexadecimal.", none(), &[]),
        (
            "sql",
            "This SQL expression over the columns of the row.",
            json!({"expression": {"type": "string", "minLength": 1}}),
            &["expression"],
        ),
    ]
}

impl JsonSchema for Rule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut short = Vec::new();
        let mut long = Vec::new();
        for (name, description, parameters, required) in rules() {
            if required.is_empty() {
                short.push(json!(name));
            }
            if parameters.as_object().is_some_and(serde_json::Map::is_empty) {
                continue;
            }
            let mut properties =
                serde_json::Map::from_iter([("rule".to_owned(), json!({"type": "string", "const": name}))]);
            properties.extend(parameters.as_object().cloned().unwrap_or_default());
            let required: Vec<_> = std::iter::once("rule").chain(required.iter().copied()).collect();
            long.push(json!({
                "type": "object",
                "description": description,
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            }));
        }
        // YAML reads the bare word null as nothing: that is the rule null.
        short.push(Value::Null);
        let short = json!({ "enum": short });
        json_schema!({
            "description": "What becomes of a column: the name of a rule, or a mapping with its name and \
            parameters.",
            "oneOf": std::iter::once(short).chain(long).collect::<Vec<_>>(),
        })
    }
}

impl JsonSchema for TableRule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TableRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rule = generator.subschema_for::<Rule>();
        json_schema!({
            "description": "What becomes of a table: it is emptied (truncate), or each of its columns has a \
            rule.",
            "oneOf": [
                {"type": "string", "enum": ["truncate"]},
                {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": {"format": "column"},
                    "additionalProperties": rule,
                },
            ],
        })
    }
}
