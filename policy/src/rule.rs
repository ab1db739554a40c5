//! Masking rules: what becomes of a column.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Number, Value, json};

use crate::{secrets, values::JsonPath};

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
        paths: BTreeMap<JsonPath, PathRule>,
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

impl Rule {
    /// What it keeps of a column that is called like a credential, or lies at such a path of it.
    pub(crate) fn kept_secrets(&self, column: &str, object: &str) -> Vec<String> {
        match self {
            Rule::Keep if secrets::named(column) => vec![object.to_owned()],
            Rule::Json { paths } => paths
                .iter()
                .filter(|(path, at)| at.rule == Rule::Keep && path.keys().any(secrets::named))
                .map(|(path, _)| format!("{object} {path}"))
                .collect(),
            _ => Vec::new(),
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

/// What becomes of the values at a path of a document. In the file a path that must be there is its
/// rule (`$.email: email`); one that need not be is a mapping (`$.nick: {rule: name, optional:
/// true}`).
#[derive(Debug, Clone, PartialEq)]
pub struct PathRule {
    pub rule: Rule,
    /// Whether it is no mistake that no document has the path.
    pub optional: bool,
}

impl From<Rule> for PathRule {
    fn from(rule: Rule) -> Self {
        Self { rule, optional: false }
    }
}

impl<'de> Deserialize<'de> for PathRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let optional = value.as_object_mut().and_then(|fields| fields.remove("optional"));
        let optional = optional.map_or(Ok(false), serde_json::from_value).map_err(D::Error::custom)?;
        Ok(Self { rule: serde_json::from_value(value).map_err(D::Error::custom)?, optional })
    }
}

impl Serialize for PathRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.optional {
            return Serialize::serialize(&self.rule, serializer);
        }
        let mut long =
            Rule::serialize(&self.rule, serde_json::value::Serializer).map_err(serde::ser::Error::custom)?;
        long["optional"] = true.into();
        long.serialize(serializer)
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
            "Rules for what stands at paths in a JSON document; a path of the data without one stops the \
            run.",
            json!({"paths": {
                "type": "object", "minProperties": 1, "propertyNames": {"format": "json-path"},
                "additionalProperties": {"$ref": "#/$defs/PathRule"},
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

/// The forms of a rule, and of one at a path, where every rule may stand as a mapping that says
/// `optional`.
fn forms(at_path: bool) -> Vec<Value> {
    let mut short = Vec::new();
    let mut long = Vec::new();
    for (name, description, parameters, required) in rules() {
        if required.is_empty() {
            short.push(json!(name));
        }
        let mut parameters = parameters.as_object().cloned().unwrap_or_default();
        if at_path {
            parameters.insert("optional".into(), json!({"type": "boolean"}));
        }
        if parameters.is_empty() {
            continue;
        }
        let mut properties =
            serde_json::Map::from_iter([("rule".to_owned(), json!({"type": "string", "const": name}))]);
        properties.extend(parameters);
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
    std::iter::once(json!({ "enum": short })).chain(long).collect()
}

impl JsonSchema for Rule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // The rule json refers to it.
        generator.subschema_for::<PathRule>();
        json_schema!({
            "description": "What becomes of a column: the name of a rule, or a mapping with its name and \
            parameters.",
            "oneOf": forms(false),
        })
    }
}

impl JsonSchema for PathRule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PathRule".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What becomes of the values at a path: a rule. With optional: true it is no \
            mistake that no document has the path.",
            "oneOf": forms(true),
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
                    "propertyNames": {"format": "column"},
                    "additionalProperties": rule,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_may_be_missing_says_so_beside_its_rule() {
        let read = |text: &str| serde_json::from_str::<PathRule>(text).unwrap();
        let optional = |rule| PathRule { rule, optional: true };
        for (text, expected, written) in [
            (r#""email""#, PathRule::from(Rule::Email), r#""email""#),
            ("null", Rule::Null.into(), r#""null""#),
            (
                r#"{"rule": "name", "optional": true}"#,
                optional(Rule::Name),
                r#"{"rule":"name","optional":true}"#,
            ),
            (
                r#"{"rule": "date-shift", "days": 3, "optional": true}"#,
                optional(Rule::DateShift { days: 3 }),
                r#"{"rule":"date-shift","days":3,"optional":true}"#,
            ),
            (r#"{"rule": "name", "optional": false}"#, Rule::Name.into(), r#""name""#),
        ] {
            assert_eq!(read(text), expected);
            assert_eq!(serde_json::to_string(&expected).unwrap(), written);
        }
    }

    #[test]
    fn a_rule_of_a_path_is_read_from_yaml_with_the_word_null_as_well() {
        let text = include_str!("tests/base.yaml").replace(
            "paths: {$.email: email}",
            "paths: {$.email: {rule: null, optional: true}, $.id: {rule: integer, max: 9, optional: true}}",
        );
        let policy = crate::Policy::parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
        let tables = &policy.syncs["orders"].masking.as_ref().unwrap().databases["shop"].tables;
        let TableRule::Columns(columns) = &tables[&"public.customers".parse().unwrap()] else { panic!() };
        let Rule::Json { paths } = &columns["profile"] else { panic!() };
        assert!(paths.values().all(|at| at.optional));
        assert_eq!(paths[&"$.email".parse().unwrap()].rule, Rule::Null);
    }
}
