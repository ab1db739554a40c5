//! Keyed fingerprints of original values, taken while they are replaced, so that attesting can look
//! for the values without anybody having kept them.
//!
//! They pass through the run bucket, sealed ([`crate::shared::seal`]), and hold no SQL
//! and nothing that becomes SQL: where a value stood in the words of the policy, and hexadecimal
//! digits and numbers that are compared. Attesting works out from the policy and the catalog which
//! places there must be, and refuses another list.

use policy::{JsonPath, Rule, TableName};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fingerprint {
    pub place: Place,
    /// How many values there were.
    pub values: u64,
    /// Of all values together, each as often as it was there.
    pub sum: u64,
    /// Of single values, a sample of all: its rank, by which it is found fast, and its mark, which
    /// decides.
    pub marks: Vec<(u64, Mark)>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mark(pub [u8; 16]);

impl TryFrom<String> for Mark {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut mark = [0; 16];
        let upper = text.bytes().any(|digit| digit.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut mark) {
            Ok(()) if !upper => Ok(Self(mark)),
            _ => Err("a fingerprint is 32 hexadecimal digits".to_owned()),
        }
    }
}

impl From<Mark> for String {
    fn from(Mark(mark): Mark) -> Self {
        hex::encode(mark)
    }
}

/// Rules whose replacements chance makes equal to some other original: of these a place as a whole
/// must have changed, and one value found again says nothing.
pub fn is_by_chance(rule: &Rule) -> bool {
    matches!(rule, Rule::Integer { .. } | Rule::Numeric { .. } | Rule::DateShift { .. } | Rule::Ip)
}

/// Values that are looked for outside of their column, too: nobody writes them twice by chance.
pub fn is_telling(rule: &Rule) -> bool {
    matches!(rule, Rule::Email | Rule::Phone | Rule::FreeText | Rule::Url | Rule::Uuid | Rule::Hash)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn file() -> Value {
        json!({
            "place": {"database": "shop", "table": "public.Event", "column": "payload",
                "within": {"path": "$.email"}},
            "values": 7, "sum": 9, "marks": [[1, "0123456789abcdef0123456789abcdef"]],
        })
    }

    #[test]
    fn what_is_written_is_read_back() {
        let read: Fingerprint = serde_json::from_value(file()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), file());
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        let hostile = [
            ("/valuesOf", json!("unnest(x)")),
            ("/place/sql", json!("SELECT 1")),
            ("/place/within", json!({"path": "$.a'::jsonpath) FROM pg_shadow --"})),
            ("/place/within", json!({"path": "$.* ? (@ == 1)"})),
            ("/place/within", json!({"sql": "1"})),
            ("/place/table", json!("public.a.b")),
            ("/place/table", json!("public.\"a\" WHERE false")),
            ("/marks/0/1", json!("' OR true --")),
            ("/marks/0/1", json!("0123456789ABCDEF0123456789ABCDEF")),
            ("/values", json!("1 FROM pg_shadow")),
        ];
        for (at, value) in hostile {
            let mut file = file();
            let (parent, field) = at.rsplit_once('/').unwrap();
            match file.pointer_mut(parent).unwrap() {
                Value::Array(items) => items[1] = value.clone(),
                object => object[field] = value.clone(),
            }
            assert!(serde_json::from_value::<Fingerprint>(file).is_err(), "{at} {value}");
        }
    }
}
