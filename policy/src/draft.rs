//! Proposes a rule for a column that has none: a first guess by name, type and the shape of its
//! values, for people to check.

use std::fmt::Write;

use anyhow::Context;
use serde::Deserialize;

use crate::{Rule, TableName};

/// What `policy draft` reads is the answer of this script, run in the database.
pub const SCRIPT: &str = include_str!("draft.sql");

/// What is known of a column without looking at its values. `base` is the type below domain and
/// array, as `pg_type.typname`.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    pub name: &'a str,
    pub base: &'a str,
    pub array: bool,
    pub not_null: bool,
    /// Computed by the server, part of a key, or referring to one.
    pub key: bool,
}

/// What is personal by its name gets a rule; free text that nobody can judge by its name is masked
/// as well; numbers, times and the like stay.
pub fn propose(column: Described<'_>) -> Rule {
    let name = column.name.to_lowercase().replace(['-', ' '], "_");
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let ip = name.split('_').any(|word| word == "ip") || has(&["remote_addr"]);
    match column.base {
        "text" | "varchar" | "bpchar" | "citext" => {
            if has(&[
                "password",
                "passwd",
                "secret",
                "token",
                "api_key",
                "apikey",
                "private_key",
                "totp",
                "mfa",
            ]) {
                Rule::Hash
            } else if has(&["mail"]) {
                Rule::Email
            } else if has(&["phone", "mobile", "fax", "telefon"]) {
                Rule::Phone
            } else if has(&["street", "address", "city", "ship_to", "bill_to"]) && !ip {
                Rule::Address
            } else if ip {
                Rule::Ip
            } else if has(&["url", "link", "website", "homepage"]) {
                Rule::Url
            } else if has(&["iban", "tax", "ssn", "passport", "licen", "account_number", "card"]) {
                Rule::Hash
            } else if has(&[
                "first_name",
                "last_name",
                "full_name",
                "surname",
                "nickname",
                "username",
                "holder",
                "contact",
                "firstname",
                "lastname",
            ]) {
                Rule::Name
            } else if column.key
                || has(&[
                    "status", "state", "type", "kind", "code", "currency", "country", "locale", "language",
                    "sku", "number",
                ])
            {
                Rule::Keep
            } else if name == "name" {
                Rule::Name
            } else {
                Rule::FreeText
            }
        }
        "date" | "timestamp" | "timestamptz" if has(&["birth", "dob"]) => Rule::DateShift { days: 30 },
        "inet" | "cidr" => Rule::Ip,
        "bytea" => Rule::Hash,
        // Nobody knows what is in a document: a person must say which of its paths stay.
        "json" | "jsonb" if column.not_null => Rule::Constant { value: "{}".into() },
        "hstore" | "xml" | "tsvector" if column.not_null => Rule::Constant { value: String::new() },
        "json" | "jsonb" | "hstore" | "xml" | "tsvector" => Rule::Null,
        _ => Rule::Keep,
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Table {
        schema: String,
        table: String,
        #[serde(default)]
        columns: Option<Vec<Sampled>>,
    },
    #[serde(rename_all = "camelCase")]
    LargeObjects { large_objects: u64 },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    name: String,
    base: String,
    array: bool,
    not_null: bool,
    generated: bool,
    key: bool,
    shape: Option<String>,
}

impl Sampled {
    fn rule(&self) -> Rule {
        let by_shape = match self.shape.as_deref() {
            Some("email") => Some(Rule::Email),
            Some("url") => Some(Rule::Url),
            Some("uuid") if !self.key => Some(Rule::Uuid),
            Some("ip") => Some(Rule::Ip),
            Some("phone") => Some(Rule::Phone),
            _ => None,
        };
        let described = Described {
            name: &self.name,
            base: &self.base,
            array: self.array,
            not_null: self.not_null,
            key: self.key,
        };
        if self.generated { Rule::Keep } else { by_shape.unwrap_or_else(|| propose(described)) }
    }
}

/// The part of a policy for one database, below `masking: databases:`, each line marked as a draft.
pub fn draft(database: &str, answer: &str) -> anyhow::Result<String> {
    let mut text = format!("{}: # draft\n", key(database));
    for line in answer.lines().filter(|line| line.starts_with('{')) {
        match serde_json::from_str(line).with_context(|| format!("{line} is not what the script prints"))? {
            Line::LargeObjects { large_objects } => {
                writeln!(text, "  large-objects: truncate # draft: there are {large_objects}")?
            }
            Line::Table { schema, table, columns } => {
                let columns = columns.unwrap_or_default();
                let empty = if columns.is_empty() { " {}" } else { "" };
                writeln!(text, "  {}:{empty} # draft", key(&TableName { schema, table }.to_string()))?;
                for column in &columns {
                    writeln!(text, "    {}: {} # draft", key(&column.name), flow(&column.rule()))?;
                }
            }
        }
    }
    Ok(text)
}

/// A rule on one line of YAML.
pub fn flow(rule: &Rule) -> String {
    match serde_json::to_value(rule).unwrap_or_default() {
        serde_json::Value::String(name) => key(&name),
        long => long.to_string(),
    }
}

/// A word of YAML, quoted where it could be read as something else.
pub fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let word = matches!(
        name.to_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    if plain && !word { name.to_owned() } else { serde_json::Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn proposed(name: &str, base: &str) -> Rule {
        propose(Described { name, base, array: false, not_null: false, key: false })
    }

    #[test]
    fn what_is_personal_by_its_name_is_not_kept() {
        assert_eq!(proposed("contact_email", "citext"), Rule::Email);
        assert_eq!(proposed("phoneNumber", "varchar"), Rule::Phone);
        assert_eq!(proposed("remark", "text"), Rule::FreeText);
        assert_eq!((proposed("ship_to", "text"), proposed("client_ip", "text")), (Rule::Address, Rule::Ip));
        assert_eq!(proposed("profile", "jsonb"), Rule::Null);
        assert_eq!(proposed("quantity", "int4"), Rule::Keep);
        assert_eq!(proposed("birth_date", "date"), Rule::DateShift { days: 30 });
    }

    #[test]
    fn a_draft_is_a_part_of_a_policy_that_parses() {
        let column = |name: &str, base: &str, shape: Option<&str>| {
            json!({
                "name": name, "base": base, "array": false, "notNull": false, "generated": false,
                "key": false, "shape": shape,
            })
        };
        let columns =
            [column("on", "text", Some("email")), column("born", "date", None), column("doc", "jsonb", None)];
        let table = json!({ "schema": "public", "table": "Odd.Table", "columns": columns }).to_string();
        let half = &table[..table.len() / 2];
        assert!(draft("shop", half).is_err(), "half a line is no line");
        let answer = format!("CREATE FUNCTION\n{table}\n{{\"largeObjects\":3}}\n");
        let text = draft("shop", &answer).unwrap();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "shop: # draft",
                r#"  "public.\"Odd.Table\"": # draft"#,
                r#"    "on": email # draft"#,
                "    born: keep # draft",
                r#"    doc: "null" # draft"#,
                "  large-objects: truncate # draft: there are 3",
            ]
        );
    }
}
