//! What the policy makes of a database: what becomes of each table, or what a person must add to
//! the policy first.

use std::collections::BTreeMap;

use policy::{DatabaseRules, Exception, LargeObjects, Rule, TableRule};
use runbook::Finding;

use super::{
    links::{Link, Links},
    problems::Problems,
    schema::{Column, Schema, Table},
};
use crate::daily_sync::replace::{Key, Kind, Replacement, Slot};

/// The work on one table.
#[derive(Debug, Clone)]
pub struct TablePlan {
    pub table: Table,
    pub rows: Rows,
}

#[derive(Debug, Clone)]
pub enum Rows {
    /// None is taken over.
    None,
    /// All, with these columns: every one that is not generated.
    All(Vec<PlannedColumn>),
}

#[derive(Debug, Clone)]
pub struct PlannedColumn {
    pub name: String,
    /// As SQL writes it, without the domain.
    pub value_type: String,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub enum Value {
    /// What may be a text is looked at for credentials.
    Keep {
        text: bool,
    },
    /// The policy's own expression, over the row as it was.
    Sql {
        expression: String,
    },
    Replaced {
        rule: Rule,
        slot: Slot,
    },
}

#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub database: String,
    pub tables: Vec<TablePlan>,
    pub keep_large_objects: bool,
}

/// The plan, or every problem at once.
pub fn plan(
    database: &str,
    schema: &Schema,
    rules: Option<&DatabaseRules>,
    exceptions: &[Exception],
) -> Result<Plan, Vec<Finding>> {
    let mut problems = Problems::new(database);
    let none = DatabaseRules::default();
    let rules = rules.unwrap_or(&none);
    problems.unknown(schema, rules);
    problems.unclassified(schema, rules);
    problems.exceptions(schema, rules, exceptions);
    let links = Links::of(schema);
    problems.links(schema, rules);
    let mut plan = Plan {
        database: database.to_owned(),
        keep_large_objects: rules.large_objects == Some(LargeObjects::Keep),
        ..Plan::default()
    };
    for table in schema.roots() {
        let rows = match rules.tables.get(&table.name) {
            Some(TableRule::Truncate) => Rows::None,
            Some(TableRule::Columns(columns)) => Rows::All(planned(table, columns, &links, &mut problems)),
            None => continue,
        };
        plan.tables.push(TablePlan { table: table.clone(), rows });
    }
    problems.end().map(|()| plan)
}

fn planned(
    table: &Table,
    rules: &BTreeMap<String, Rule>,
    links: &Links,
    problems: &mut Problems,
) -> Vec<PlannedColumn> {
    let mut columns = Vec::new();
    for column in &table.columns {
        let rule = rules.get(&column.name).unwrap_or(&Rule::Keep);
        if column.generated {
            if *rule != Rule::Keep {
                let why = "it is generated: it is computed again from its columns, so say keep";
                problems.misfit(table, column, rule, why);
            }
            continue;
        }
        match value(column, rule, &links.of_column(table, column)) {
            Ok(value) => columns.push(PlannedColumn {
                name: column.name.clone(),
                value_type: column.value_type.clone(),
                value,
            }),
            Err(why) => problems.misfit(table, column, rule, &why),
        }
    }
    columns
}

fn value(column: &Column, rule: &Rule, link: &Link) -> Result<Value, String> {
    let whole = matches!(rule, Rule::Null | Rule::Constant { .. } | Rule::Json { .. });
    let slot = Slot {
        kind: Kind::of(&column.base),
        length: link.length,
        lower: link.lower,
        // With other columns of a key beside it one value for all may do.
        unique: link.unique && (column.unique_alone || !matches!(rule, Rule::Constant { .. })),
        small: link.small,
        not_null: column.not_null,
        array: column.array && !whole,
    };
    match rule {
        Rule::Keep => {
            Ok(Value::Keep { text: matches!(Kind::of(&column.base), Kind::Text | Kind::Char | Kind::Json) })
        }
        Rule::Sql { expression } => Ok(Value::Sql { expression: expression.clone() }),
        Rule::Json { .. } if column.array => Err("it is an array of documents: use null or sql".into()),
        rule => {
            Replacement::new(&Key::new("only to ask whether it fits"), rule, &slot)?;
            Ok(Value::Replaced { rule: rule.clone(), slot })
        }
    }
}
