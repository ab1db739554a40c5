//! What a person must add to or fix in the policy, each with the lines to paste.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use policy::{
    DatabaseRules, Exception, ExceptionKind, Rule, TableName, TableRule,
    draft::{Described, flow, key, propose},
};
use runbook::{Finding, Level};

use super::{
    links::pairs,
    plan::{PlannedColumn, Value},
    schema::{Column, Schema, Table},
    tables::Refused,
};
use crate::daily_sync::{
    fingerprints::Within,
    replace::{Kind, Part, Seen},
};

pub struct Problems {
    database: String,
    findings: Vec<Finding>,
}

impl Problems {
    pub fn new(database: &str) -> Self {
        Self { database: database.to_owned(), findings: Vec::new() }
    }

    pub fn end(self) -> Result<(), Vec<Finding>> {
        if self.findings.is_empty() { Ok(()) } else { Err(self.findings) }
    }

    fn add(&mut self, check: &str, object: String, reason: &str, remedy: String) {
        let database = Some(self.database.clone());
        self.findings.push(Finding {
            check: check.into(),
            level: Level::Block,
            database,
            object,
            reason: reason.into(),
            remedy,
        });
    }

    pub fn unclassified(&mut self, schema: &Schema, rules: &DatabaseRules) {
        for table in schema.roots() {
            let (check, missing): (_, Vec<&Column>) = match rules.tables.get(&table.name) {
                Some(TableRule::Truncate) => continue,
                Some(TableRule::Columns(columns)) => (
                    "unclassified-column",
                    table
                        .columns
                        .iter()
                        .filter(|column| !column.generated && !columns.contains_key(&column.name))
                        .collect(),
                ),
                None => ("unclassified-table", table.columns.iter().collect()),
            };
            if table.kind == 'f' {
                let remedy = "Drop it in production, or tell why its server could not be dropped.".to_owned();
                self.add(
                    "foreign-table",
                    table.name.to_string(),
                    "what it shows is not in this cluster",
                    remedy,
                );
            } else if !missing.is_empty() || check == "unclassified-table" {
                let remedy = format!(
                    "decide about these proposals and add them to the policy under masking, databases:\n{}",
                    self.lines(table, &missing)
                );
                self.add(
                    check,
                    table.name.to_string(),
                    "nothing reaches an environment that nobody has decided about",
                    remedy,
                );
            }
        }
        if schema.large_objects > 0 && rules.large_objects.is_none() {
            let remedy = format!(
                "add to the policy under masking, databases:\n  {}:\n    large-objects: truncate",
                key(&self.database)
            );
            self.add(
                "unclassified-large-objects",
                format!("{} large objects", schema.large_objects),
                "nobody has decided about them",
                remedy,
            );
        }
    }

    /// The YAML to paste, with a proposal for each column.
    fn lines(&self, table: &Table, columns: &[&Column]) -> String {
        let mut text = format!("  {}:\n    {}:", key(&self.database), key(&table.name.to_string()));
        if columns.is_empty() {
            text.push_str(" {}");
        }
        for column in columns {
            let rule = propose(Described {
                name: &column.name,
                base: &column.base,
                array: column.array,
                not_null: column.not_null,
                key: column.unique || column.generated,
            });
            let rule = if column.generated { Rule::Keep } else { rule };
            let _ = write!(text, "\n      {}: {}", key(&column.name), flow(&rule));
        }
        text
    }

    /// What the policy names and the database has not: a rule that was meant for something protects
    /// nothing.
    pub fn unknown(&mut self, schema: &Schema, rules: &DatabaseRules) {
        let there: BTreeMap<&TableName, &Table> =
            schema.tables.iter().map(|table| (&table.name, table)).collect();
        for name in rules.tables.keys() {
            match there.get(name) {
                None => {
                    let remedy = "Remove it from the policy, or spell it as the database does.".to_owned();
                    self.add(
                        "unknown-table",
                        name.to_string(),
                        "the policy names a table that does not exist",
                        remedy,
                    );
                }
                Some(table) if table.partition => {
                    let root = schema.tables.iter().find(|root| Some(root.oid) == table.root);
                    let root = root.map(|root| root.name.to_string()).unwrap_or_default();
                    let remedy = format!("Remove it from the policy: the rules of {root} hold for it.");
                    self.add("partition", name.to_string(), "the policy names a partition", remedy);
                }
                Some(table) => {
                    let Some(TableRule::Columns(columns)) = rules.tables.get(name) else { continue };
                    for column in columns.keys().filter(|column| table.column(column).is_none()) {
                        let remedy =
                            "Remove it from the policy, or spell it as the database does.".to_owned();
                        self.add(
                            "unknown-column",
                            format!("{name}.{column}"),
                            "the policy names a column that does not exist",
                            remedy,
                        );
                    }
                }
            }
        }
    }

    /// What is called like a credential and stays, what looks like a queue and is copied: each
    /// wants a reason of the policy's.
    pub fn exceptions(&mut self, schema: &Schema, rules: &DatabaseRules, exceptions: &[Exception]) {
        let database = self.database.clone();
        let missing = |kind: ExceptionKind, object: &str| {
            let line = Exception::line(kind, Some(&database), object);
            let none = Exception::of(exceptions, kind.as_str(), Some(&database), object).is_none();
            none.then(|| format!("add to the policy, under masking, exceptions, why it stays:\n  {line}"))
        };
        let tables = schema.roots().filter(|table| rules.tables.contains_key(&table.name));
        let may_hold_one: BTreeSet<String> = tables
            .flat_map(|table| table.columns.iter().map(move |column| (table, column)))
            .filter(|(_, column)| !column.generated)
            .filter(|(_, column)| {
                matches!(Kind::of(&column.base), Kind::Text | Kind::Char | Kind::Bytes | Kind::Json)
            })
            .map(|(table, column)| format!("{}.{}", table.name, column.name))
            .collect();
        let column = |object: &str| object.rsplit_once(" $").map_or(object, |(column, _)| column).to_owned();
        for object in rules.kept_secrets().filter(|object| may_hold_one.contains(&column(object))) {
            if let Some(line) = missing(ExceptionKind::KeptSecret, &object) {
                let remedy = format!("Give it hash, null or constant. If it is none, {line}");
                self.add("kept-secret", object, "by its name somebody can log in with it", remedy);
            }
        }
        for table in rules.queues().filter(|name| schema.roots().any(|table| table.name == **name)) {
            if let Some(line) = missing(ExceptionKind::QueueTable, &table.to_string()) {
                let reason = "by its name it is work that waits, and who connects first does it again";
                let remedy = format!("Say truncate. If it is none, {line}");
                self.add("queue-table", table.to_string(), reason, remedy);
            }
        }
    }

    pub fn misfit(&mut self, table: &Table, column: &Column, rule: &Rule, why: &str) {
        let object = format!("{}.{}", table.name, column.name);
        let remedy =
            format!("Choose another rule than {} for this column of type {}.", rule.name(), column.data_type);
        self.add("rule-does-not-fit", object, why, remedy);
    }

    /// What the rows of a column showed of its rule.
    pub fn seen(&mut self, table: &Table, column: &PlannedColumn, seen: &Seen) {
        let object = format!("{}.{}", table.name, column.name);
        // Where there is nothing yet no path is a mistake.
        let documents =
            !seen.unknown.is_empty() || seen.parts.iter().any(|part| part.values + part.nulls > 0);
        for part in &seen.parts {
            let at = match &part.within {
                Within::Column | Within::Elements => object.clone(),
                Within::Path(path) => format!("{object} at {path}"),
            };
            if part.values + part.nulls == 0 && documents && is_required(column, &part.within) {
                let remedy = format!(
                    "Spell the path as the documents do, remove it, or say that it may be missing:\n{}",
                    self.path_line(table, column, &part.within, "{rule: …, optional: true}")
                );
                self.add("path-matches-nothing", at, "no document has it, so it protects nothing", remedy);
            } else if part.unchanged > 0 && !may_leave(column, part) {
                let reason =
                    format!("the rule leaves {} of {} values as they are", part.unchanged, part.values);
                let remedy = "Choose a rule that replaces them: numeric and integer with min and max, hash, \
                              constant or null."
                    .to_owned();
                self.add("unchanged-values", at, &reason, remedy);
            }
        }
        if !seen.unknown.is_empty() {
            let values: u64 = seen.unknown.values().sum();
            let lines: String =
                seen.unknown.keys().map(|path| format!("\n          {}: null", key(path))).collect();
            let remedy = format!(
                "give each a rule; these lines remove the values:\n  {}:\n    {}:\n      {}:\n        rule: \
                 json\n        paths:{lines}",
                key(&self.database),
                key(&table.name.to_string()),
                key(&column.name),
            );
            let reason = format!("{values} values stand at paths that nobody has decided about");
            self.add("unclassified-path", object, &reason, remedy);
        }
    }

    fn path_line(&self, table: &Table, column: &PlannedColumn, within: &Within, rule: &str) -> String {
        let Within::Path(path) = within else { return String::new() };
        format!(
            "  {}:\n    {}:\n      {}:\n        rule: json\n        paths:\n          {}: {rule}",
            key(&self.database),
            key(&table.name.to_string()),
            key(&column.name),
            key(&path.to_string()),
        )
    }

    pub fn hidden(&mut self, table: &str) {
        let reason = "it belongs to an extension that did not make it, so nobody has decided about its rows";
        let remedy = "ALTER EXTENSION … DROP TABLE in production, and give it its rules.".to_owned();
        self.add("hidden-table", table.to_owned(), reason, remedy);
    }

    pub fn wrong_expression(&mut self, table: &TableName, column: &str, why: &str) {
        let remedy = "Write it with what is PostgreSQL's own or in C, over this row alone; a cast to \
                      PostgreSQL's own types (email::text) keeps others out."
            .to_owned();
        self.add("wrong-expression", format!("{table}.{column}"), why, remedy);
    }

    pub fn credentials(&mut self, table: &TableName, column: &str, exceptions: &[Exception]) {
        let object = format!("{table}.{column}");
        let (kind, database) = (ExceptionKind::KeptSecret, self.database.clone());
        if Exception::of(exceptions, kind.as_str(), Some(&database), &object).is_none() {
            let line = Exception::line(kind, Some(&database), &object);
            let remedy = format!(
                "Give it hash, null or constant. If they are none, add to the policy, under masking, \
                 exceptions, why it stays:\n  {line}"
            );
            self.add(
                "kept-credentials",
                object,
                "by their form its values are keys, tokens or passwords",
                remedy,
            );
        }
    }

    pub fn not_loaded(&mut self, table: &TableName, refused: &Refused) {
        let (object, why) = match refused {
            Refused::Load(why) => (table.to_string(), why),
            Refused::Misfit { column: Some(column), why } => (format!("{table}.{column}"), why),
            Refused::Misfit { column: None, why } => (table.to_string(), why),
        };
        let remedy = "Choose rules whose values its constraints take: constant, null, hash, sql with an \
                      expression of your own; or truncate it."
            .to_owned();
        let reason = format!("PostgreSQL does not take its replaced rows: {why}");
        self.add("refused-rows", object, &reason, remedy);
    }

    pub fn not_made(&mut self, object: &str, why: &str) {
        let remedy = "Where the replaced values are the cause, choose rules under which it holds (the same \
                      on both sides of a reference, a unique one for a unique column); else drop it in \
                      production."
            .to_owned();
        self.add("not-made-again", object.to_owned(), &format!("over the replaced rows: {why}"), remedy);
    }

    /// Both sides of a foreign key get the same rule; what is emptied is referred to by nothing
    /// that is not.
    pub fn links(&mut self, schema: &Schema, rules: &DatabaseRules) {
        let by_oid = schema.by_oid();
        let rule = |(oid, column): &(u32, String)| match rules.tables.get(&by_oid.get(oid)?.name)? {
            TableRule::Truncate => Some(None),
            TableRule::Columns(columns) => columns.get(column).map(Some),
        };
        let name = |(oid, column): &(u32, String)| {
            by_oid.get(oid).map(|table| format!("{}.{column}", table.name)).unwrap_or_default()
        };
        for (child, parent) in pairs(schema) {
            match (rule(&child), rule(&parent)) {
                (Some(Some(one)), Some(Some(other))) if one != other => self.add(
                    "different-rules",
                    name(&child),
                    &format!(
                        "it refers to {}, and a reference holds only when both are replaced alike",
                        name(&parent)
                    ),
                    format!(
                        "Give both columns the same rule; now they have {} and {}.",
                        one.name(),
                        other.name()
                    ),
                ),
                (Some(Some(_)), Some(None)) => self.add(
                    "truncated-parent",
                    name(&child),
                    &format!("it refers to {}, which the policy empties", name(&parent)),
                    "Truncate both tables, or neither.".into(),
                ),
                _ => {}
            }
        }
    }
}

/// A path whose absence from every document is a mistake.
fn is_required(column: &PlannedColumn, within: &Within) -> bool {
    let (Value::Replaced { rule: Rule::Json { paths }, .. }, Within::Path(path)) = (&column.value, within)
    else {
        return false;
    };
    paths.get(path).is_some_and(|rule| !rule.optional)
}

/// The policy's own expression may leave some values as they are, and `numeric` without a range
/// zero: when it is most of them the rule does nothing.
fn may_leave(column: &PlannedColumn, part: &Part) -> bool {
    let few = part.unchanged * 2 <= part.values;
    match &column.value {
        Value::Keep { .. } => true,
        Value::Sql { .. } => part.unchanged < part.values,
        Value::Replaced { rule: Rule::Json { paths }, .. } => {
            let Within::Path(path) = &part.within else { return false };
            few && paths.get(path).is_some_and(|at| matches!(at.rule, Rule::Numeric { .. }))
        }
        Value::Replaced { rule, .. } => few && matches!(rule, Rule::Numeric { .. }),
    }
}
