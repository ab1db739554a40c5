//! Proposes rules for what has none: a first guess by name, type, constraints and the shape of its
//! values, for people to check.

mod column;
mod json;
mod names;

use std::{collections::BTreeMap, fmt::Write};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{Rule, TableName, is_queue, secrets};
use column::{Column, Proposal, Sample};
use json::Documents;
use names::{Meaning, meaning};

/// What `policy draft` reads is the answer of this script, run in the database.
pub fn script() -> String {
    // As one pattern: a server keeps 32 of them compiled (src/backend/utils/adt/regexp.c), and
    // where there are more it compiles each again for every value.
    let patterns: Vec<_> = secrets::sql_patterns().collect();
    include_str!("draft.sql").replace("{{credentials}}", &format!("$p${}$p$", patterns.join("|")))
}

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
    let meaning = meaning(column.name);
    match column.base {
        "text" | "varchar" | "bpchar" | "citext" => match meaning {
            Some(Meaning::Secret | Meaning::Identity | Meaning::LifeDate | Meaning::Money) => Rule::Hash,
            Some(Meaning::Email) => Rule::Email,
            Some(Meaning::Ip) => Rule::Ip,
            Some(Meaning::Phone) => Rule::Phone,
            Some(Meaning::Url) => Rule::Url,
            Some(Meaning::Address) => Rule::Address,
            Some(Meaning::Person) => Rule::Name,
            Some(Meaning::Latitude | Meaning::Longitude) => Rule::Hash,
            Some(Meaning::Code) => Rule::Keep,
            None if column.key => Rule::Keep,
            None if column.name.eq_ignore_ascii_case("name") => Rule::Name,
            None => Rule::FreeText,
        },
        "date" | "timestamp" | "timestamptz" if meaning == Some(Meaning::LifeDate) => {
            Rule::DateShift { days: 30 }
        }
        "int2" | "int4" | "int8" if !column.key => match meaning {
            Some(Meaning::Secret | Meaning::Identity | Meaning::Phone | Meaning::Money) => {
                Rule::Integer { min: None, max: None }
            }
            _ => Rule::Keep,
        },
        "numeric" | "float4" | "float8" if !column.key => match meaning {
            Some(Meaning::Secret | Meaning::Identity | Meaning::Phone | Meaning::Money) => {
                Rule::Numeric { min: None, max: None }
            }
            Some(Meaning::Latitude) => Rule::Numeric { min: Some((-90).into()), max: Some(90.into()) },
            Some(Meaning::Longitude) => Rule::Numeric { min: Some((-180).into()), max: Some(180.into()) },
            _ => Rule::Keep,
        },
        "inet" | "cidr" => Rule::Ip,
        "bytea" => Rule::Hash,
        // Nobody knows what is in a document: a person must say which of its paths stay.
        "json" | "jsonb" if column.not_null => Rule::Constant { value: "{}".into() },
        "hstore" | "tsvector" if column.not_null => Rule::Constant { value: String::new() },
        "xml" if column.not_null => Rule::Constant { value: "<x/>".into() },
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
        columns: Vec<Column>,
    },
    Samples {
        schema: String,
        table: String,
        samples: BTreeMap<String, Sample>,
    },
    Documents {
        schema: String,
        table: String,
        column: String,
        found: Documents,
    },
    #[serde(rename_all = "camelCase")]
    LargeObjects {
        large_objects: u64,
    },
}

/// What the script answered, put together.
#[derive(Default)]
struct Answer {
    tables: BTreeMap<TableName, Vec<Column>>,
    samples: BTreeMap<(TableName, String), Sample>,
    documents: BTreeMap<(TableName, String), Documents>,
    large_objects: u64,
}

impl Answer {
    fn read(text: &str) -> anyhow::Result<Self> {
        let mut answer = Self::default();
        for line in text.lines().filter(|line| line.starts_with('{')) {
            let read =
                serde_json::from_str(line).with_context(|| format!("{line} is not what the script prints"));
            match read? {
                Line::Table { schema, table, columns } => {
                    answer.tables.insert(TableName { schema, table }, columns);
                }
                Line::Samples { schema, table, samples } => {
                    let table = TableName { schema, table };
                    let of = |(column, sample)| ((table.clone(), column), sample);
                    answer.samples.extend(samples.into_iter().map(of));
                }
                Line::Documents { schema, table, column, found } => {
                    answer.documents.insert((TableName { schema, table }, column), found);
                }
                Line::LargeObjects { large_objects } => answer.large_objects = large_objects,
            }
        }
        Ok(answer)
    }

    /// What is work that waits is emptied, and so is what refers to it.
    fn is_emptied(&self, table: &TableName, seen: &mut Vec<TableName>) -> bool {
        if seen.contains(table) {
            return false;
        }
        seen.push(table.clone());
        let parents = self.tables.get(table).into_iter().flatten().filter_map(|column| column.refers.clone());
        is_queue(table)
            || parents
                .into_iter()
                .any(|(schema, table, _)| self.is_emptied(&TableName { schema, table }, seen))
    }

    /// The proposal for a column: the one of the column that it refers to in the end, for a
    /// reference holds only when both are replaced alike.
    fn proposal(&self, table: &TableName, column: &Column) -> Proposal {
        let (mut table, mut column) = (table.clone(), column);
        for _ in 0..100 {
            let Some((schema, parent, name)) = &column.refers else { break };
            let parent = TableName { schema: schema.clone(), table: parent.clone() };
            let found = self.tables.get(&parent).into_iter().flatten().find(|column| column.name == *name);
            let Some(found) = found else { break };
            (table, column) = (parent, found);
        }
        let at = (table, column.name.clone());
        let documents = self.documents.get(&at).and_then(Documents::rule);
        let none = Sample::default();
        documents.map_or_else(|| column.proposal(self.samples.get(&at).unwrap_or(&none)), Proposal::from)
    }
}

/// The part of a policy for one database, below `masking: databases:`, each line marked as a draft.
pub fn draft(database: &str, answer: &str) -> anyhow::Result<String> {
    let answer = Answer::read(answer)?;
    let mut text = format!("{}: # draft\n", key(database));
    for (table, columns) in &answer.tables {
        let name = key(&table.to_string());
        if answer.is_emptied(table, &mut Vec::new()) {
            writeln!(
                text,
                "  {name}: truncate # draft: it looks like work that waits, or refers to such a table"
            )?;
            continue;
        }
        let empty = if columns.is_empty() { " {}" } else { "" };
        writeln!(text, "  {name}:{empty} # draft")?;
        for column in columns {
            let Proposal { rule, note } = answer.proposal(table, column);
            let note = note.map(|note| format!(": {note}")).unwrap_or_default();
            match &rule {
                Rule::Json { paths } => {
                    writeln!(text, "    {}: # draft", key(&column.name))?;
                    writeln!(text, "      rule: json\n      paths:")?;
                    for (path, at) in paths {
                        writeln!(text, "        {}: {} # draft", key(&path.to_string()), line(at))?;
                    }
                }
                rule => writeln!(text, "    {}: {} # draft{note}", key(&column.name), flow(rule))?,
            }
        }
    }
    match answer.large_objects {
        0 if !answer.tables.is_empty() => {}
        0 => writeln!(text, "  large-objects: truncate # draft: it holds nothing")?,
        many => writeln!(text, "  large-objects: truncate # draft: there are {many}")?,
    }
    Ok(text)
}

/// A rule on one line of YAML.
pub fn flow(rule: &Rule) -> String {
    line(rule)
}

fn line(rule: &impl Serialize) -> String {
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
    use serde_json::{Value, json};

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

    fn column(name: &str, base: &str) -> Value {
        json!({
            "name": name, "base": base, "array": false, "notNull": false, "generated": false, "key": false,
            "unique": false, "uniqueAlone": false, "partitionKey": false, "length": null, "check": null,
        })
    }

    fn with(mut column: Value, more: Value) -> Value {
        column.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        column
    }

    fn table(name: &str, columns: &[Value]) -> String {
        json!({"schema": "public", "table": name, "columns": columns}).to_string()
    }

    /// As a part of a whole policy.
    fn checked(draft: &str) -> Result<crate::Policy, crate::Errors> {
        let indented: String = draft.lines().map(|line| format!("        {line}\n")).collect();
        let base = include_str!("../tests/base.yaml");
        let (before, _) = base.split_once("        shop:\n").unwrap();
        let (before, own_tables) =
            (before.replace("          - {database: shop, table: public.flags}\n", ""), "keep-tables:\n");
        let before = before.replace(&format!("        {own_tables}"), "");
        crate::Policy::parse(&(before + &indented))
    }

    #[test]
    fn a_draft_is_a_part_of_a_policy_that_is_accepted() {
        let columns = [column("on", "text"), column("born", "date"), column("doc", "jsonb")];
        let odd = table("Odd.Table", &columns);
        assert!(draft("shop", &odd[..odd.len() / 2]).is_err(), "half a line is no line");
        let sample = json!({"on": {"shape": "email", "few": false, "small": false}});
        let samples = json!({"schema": "public", "table": "Odd.Table", "samples": sample});
        let answer = format!("{odd}\n{samples}\n{}\n{{\"largeObjects\":3}}\n", table("empty", &[]));
        let text = draft("shop", &answer).unwrap();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "shop: # draft",
                r#"  "public.\"Odd.Table\"": # draft"#,
                r#"    "on": email # draft"#,
                r#"    born: {"rule":"date-shift","days":30} # draft"#,
                r#"    doc: "null" # draft"#,
                "  public.empty: {} # draft",
                "  large-objects: truncate # draft: there are 3",
            ]
        );
        checked(&text).unwrap_or_else(|errors| panic!("{errors}"));
        checked(&draft("shop", "").unwrap()).unwrap_or_else(|errors| panic!("{errors}"));
    }

    /// The proposal for the only column of a table.
    fn rule(column: Value, sample: Value) -> String {
        let name = column["name"].as_str().unwrap().to_owned();
        let samples = json!({"schema": "public", "table": "t", "samples": {name: sample}});
        let text = draft("shop", &format!("{}\n{samples}", table("t", &[column]))).unwrap();
        checked(&text).unwrap_or_else(|errors| panic!("{errors}"));
        let line = text.lines().nth(2).unwrap().trim();
        line.split_once(": ").unwrap().1.split(" # ").next().unwrap().to_owned()
    }

    #[test]
    fn what_a_constraint_or_a_range_would_refuse_is_not_proposed() {
        let none = json!({"shape": null, "few": false, "small": false});
        let of = |column: Value, more: Value| rule(with(column, more), none.clone());
        assert_eq!(of(column("remark", "text"), json!({})), "free-text");
        assert_eq!(of(column("remark", "text"), json!({"unique": true})), "hash");
        assert_eq!(of(column("remark", "text"), json!({"check": "other"})), "hash");
        assert_eq!(of(column("remark", "text"), json!({"check": "list"})), "keep");
        assert_eq!(of(column("remark", "varchar"), json!({"unique": true, "length": 8})), "\"null\"");
        assert_eq!(
            of(column("email", "varchar"), json!({"length": 8, "notNull": true})),
            r#"{"rule":"constant","value":""}"#
        );
        assert_eq!(of(column("born", "date"), json!({"uniqueAlone": true})), "\"null\"");
        assert_eq!(of(column("salary", "numeric"), json!({})), "numeric");
        assert_eq!(of(column("salary", "numeric"), json!({"unique": true, "notNull": true})), "keep");
        assert_eq!(of(column("card", "text"), json!({"partitionKey": true})), "keep");
        assert_eq!(of(column("a", "text"), json!({"generated": true})), "keep");
        let small = json!({"shape": null, "few": false, "small": true});
        assert_eq!(rule(column("salary", "int4"), small.clone()), "\"null\"");
        let not_null = with(column("salary", "int4"), json!({"notNull": true}));
        assert_eq!(rule(not_null, small), r#"{"rule":"constant","value":"0"}"#);
        let few = json!({"shape": null, "few": true, "small": false});
        assert_eq!(rule(column("remark", "text"), few), "keep");
        let secret = json!({"shape": "secret", "few": false, "small": false});
        assert_eq!(rule(column("remark", "text"), secret), "hash");
    }

    #[test]
    fn a_reference_gets_the_rule_of_what_it_refers_to_and_a_queue_takes_its_followers_along() {
        let refers = |table: &str, name: &str| json!({"key": true, "refers": ["public", table, name]});
        let answer = [
            table("people", &[with(column("email", "text"), json!({"unique": true}))]),
            table("posts", &[with(column("author", "text"), refers("people", "email"))]),
            table("replies", &[with(column("by", "text"), refers("posts", "author"))]),
            table("good_jobs", &[column("id", "uuid")]),
            table("runs", &[with(column("job", "uuid"), refers("good_jobs", "id"))]),
        ];
        let text = draft("shop", &answer.join("\n")).unwrap();
        for line in ["author: email", "by: email", "good_jobs: truncate", "runs: truncate"] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        checked(&text).unwrap_or_else(|errors| panic!("{errors}"));
    }

    #[test]
    fn a_document_gets_its_paths_from_the_data() {
        fn leaf(path: &[&str], types: &[&str], documents: u32) -> Value {
            json!({"path": path, "types": types, "documents": documents, "shape": null})
        }
        let found = json!({"documents": 100, "paths": [
            leaf(&[".Email"], &["string"], 100),
            leaf(&[".phones", "[*]"], &["string"], 60),
            leaf(&[".scores", ".*", ".value"], &["number"], 60),
            leaf(&[".nick name"], &["string", "null"], 2),
            leaf(&[".token"], &["number"], 60),
            leaf(&[".mixed"], &["string"], 60),
            leaf(&[".mixed", ".inner"], &["string"], 60),
            leaf(&[".active"], &["boolean"], 60),
        ]});
        let documents = json!({"schema": "public", "table": "t", "column": "doc", "found": found});
        let text = draft("shop", &format!("{}\n{documents}", table("t", &[column("doc", "jsonb")]))).unwrap();
        let lines: Vec<_> =
            text.lines().skip(2).map(|line| line.trim().trim_end_matches(" # draft")).collect();
        assert_eq!(
            lines,
            [
                "doc:",
                "rule: json",
                "paths:",
                r#""$.Email": email"#,
                r#""$.active": keep"#,
                r#""$.mixed": free-text"#,
                r#""$.mixed.inner": free-text"#,
                r#""$['nick name']": {"rule":"name","optional":true}"#,
                r#""$.phones[*]": phone"#,
                r#""$.scores.*.value": keep"#,
                r#""$.token": "null""#,
            ]
        );
        checked(&text).unwrap_or_else(|errors| panic!("{errors}"));
    }
}
