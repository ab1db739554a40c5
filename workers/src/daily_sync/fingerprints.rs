//! `fingerprints.json`: keyed fingerprints of original values, taken before masking, so that
//! attesting can look for the values without anybody having kept them.
//!
//! It passes through the run bucket, so it holds no SQL and nothing that becomes SQL: where a value
//! stood in the words of the policy, and hexadecimal digits and numbers that are compared.
//! Attesting works out from the policy and the catalog which places there must be, and refuses
//! another list.

use policy::{JsonPath, Rule, TableName};
use runbook::Run;
use runbook::aurora::ResourceId;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fingerprints {
    /// The DbClusterResourceId that they are of.
    pub resource_id: ResourceId,
    pub columns: Vec<Fingerprint>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fingerprint {
    pub place: Place,
    /// Of single values.
    pub values: Vec<Mark>,
    /// Of all values together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<i64>,
}

/// Where values are replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    pub database: String,
    pub table: TableName,
    pub column: String,
    pub within: Within,
}

/// What of a column is one value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Within {
    Column,
    /// Each element of the array.
    Elements,
    /// What stands at the path in the document.
    Path(JsonPath),
}

/// The fingerprint of one value: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Mark(String);

impl Mark {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Mark {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
        if text.len() == 32 && text.bytes().all(hex) {
            Ok(Self(text))
        } else {
            Err("a fingerprint is 32 hexadecimal digits".to_owned())
        }
    }
}

/// Values that are looked for outside of their column, too: nobody writes them twice by chance.
pub fn is_telling(rule: &Rule) -> bool {
    matches!(rule, Rule::Email | Rule::Phone | Rule::FreeText | Rule::Url | Rule::Uuid | Rule::Hash)
}

pub fn key(run: &Run) -> String {
    format!("{}/fingerprints.json", run.prefix())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn file() -> Value {
        json!({"resourceId": "cluster-1", "columns": [
            {"place": {"database": "shop", "table": "public.Event", "column": "payload",
                    "within": {"path": "$.email"}},
             "values": ["0123456789abcdef0123456789abcdef"], "whole": 7},
        ]})
    }

    #[test]
    fn what_is_written_is_read_back() {
        let read: Fingerprints = serde_json::from_value(file()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), file());
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        let hostile = [
            ("/valuesOf", json!("pg_read_file('/etc/passwd')")),
            ("/columns/0/valuesOf", json!("unnest(x)")),
            ("/columns/0/place/sql", json!("SELECT 1")),
            ("/columns/0/place/within", json!({"path": "$.a'::jsonpath) FROM pg_shadow --"})),
            ("/columns/0/place/within", json!({"path": "$.* ? (@ == 1)"})),
            ("/columns/0/place/within", json!({"sql": "1"})),
            ("/columns/0/place/table", json!("public.a.b")),
            ("/columns/0/place/table", json!("public.\"a\" WHERE false")),
            ("/columns/0/values/0", json!("' OR true --")),
            ("/columns/0/values/0", json!("0123456789ABCDEF0123456789ABCDEF")),
            ("/columns/0/whole", json!("1 FROM pg_shadow")),
        ];
        for (at, value) in hostile {
            let mut file = file();
            let (parent, field) = at.rsplit_once('/').unwrap();
            match file.pointer_mut(parent).unwrap() {
                Value::Array(items) => items[0] = value.clone(),
                object => object[field] = value.clone(),
            }
            assert!(serde_json::from_value::<Fingerprints>(file).is_err(), "{at} {value}");
        }
    }
}
