//! What the policy makes of a database: what becomes of each table, or what a person must add to
//! the policy first.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use anyhow::Context as _;
use policy::{DatabaseRules, Exception, LargeObjects, Rule, Step, TableRule};
use runbook::{Finding, postgres::quote};
use serde::{Deserialize, Serialize};

use super::{
    links::{Link, Links},
    nested,
    problems::Problems,
    rules::{self, Kind, Slot},
    schema::{Column, ForeignKey, Schema, Table},
};

/// What becomes of a table that does not stay as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// One `ALTER TABLE … ALTER COLUMN … TYPE … USING …` for all columns: no dead row, no index
    /// that remembers.
    Alter,
    /// Where ALTER is refused: the masked rows into a temporary table, TRUNCATE, and back. No dead
    /// row either.
    Reload,
    Truncate,
}

impl Way {
    const ALL: [Self; 3] = [Self::Alter, Self::Reload, Self::Truncate];

    /// As the journal writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alter => "alter",
            Self::Reload => "reload",
            Self::Truncate => "truncate",
        }
    }
}

impl FromStr for Way {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        Self::ALL
            .into_iter()
            .find(|way| way.name() == text)
            .with_context(|| format!("{text:?} is no way of masking"))
    }
}

#[derive(Debug, Clone)]
pub struct MaskedColumn {
    pub name: String,
    pub data_type: String,
    pub collation: Option<String>,
    pub rule: Rule,
    pub expression: String,
}

/// The work on one table. A table that stays as it is has none.
#[derive(Debug, Clone)]
pub struct TablePlan {
    pub table: Table,
    pub way: Way,
    /// Nothing where the table is emptied.
    pub masked: Vec<MaskedColumn>,
    /// Functions that must exist for the time of masking.
    pub helpers: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub database: String,
    pub tables: Vec<TablePlan>,
    /// Those that go before masking and come back after it.
    pub foreign_keys: Vec<ForeignKey>,
    pub large_objects: Option<LargeObjects>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.large_objects.is_none() && self.tables.is_empty()
    }
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
    problems.links(schema, rules, &links);
    let mut plan =
        Plan { database: database.to_owned(), large_objects: rules.large_objects, ..Plan::default() };
    for table in schema.roots() {
        match rules.tables.get(&table.name) {
            Some(TableRule::Truncate) => {
                plan.tables.push(TablePlan {
                    table: table.clone(),
                    way: Way::Truncate,
                    masked: Vec::new(),
                    helpers: Vec::new(),
                });
            }
            Some(TableRule::Columns(columns)) => {
                plan.tables.extend(mask(table, columns, &links, &mut problems));
            }
            None => {}
        }
    }
    plan.foreign_keys = taken_away(schema, &plan);
    problems.end().map(|()| plan)
}

fn mask(
    table: &Table,
    rules: &BTreeMap<String, Rule>,
    links: &Links,
    problems: &mut Problems,
) -> Option<TablePlan> {
    let (mut masked, mut helpers) = (Vec::new(), Vec::new());
    let mut refused = table.inherits || table.typed || table.row_type_used;
    for (number, column) in table.columns.iter().enumerate() {
        let Some(rule) = rules.get(&column.name).filter(|rule| **rule != Rule::Keep) else { continue };
        if column.generated {
            problems.misfit(
                table,
                column,
                rule,
                "it is generated: it is computed again from its columns, so say keep",
            );
            continue;
        }
        let helper = format!("c_{}_{number}", table.oid);
        match replacement(&helper, column, rule, &links.of_column(table, column)) {
            Err(why) => problems.misfit(table, column, rule, &why),
            Ok((expression, helper)) => {
                helpers.extend(helper);
                refused |= column.refused || column.partition_key;
                masked.push(MaskedColumn {
                    name: column.name.clone(),
                    data_type: column.data_type.clone(),
                    collation: column.collation.clone(),
                    rule: rule.clone(),
                    expression: format!("({expression})::{}", column.data_type),
                });
            }
        }
    }
    if masked.is_empty() {
        return None;
    }
    let way = if refused { Way::Reload } else { Way::Alter };
    Some(TablePlan { table: table.clone(), way, masked, helpers })
}

/// The expression, and the function of that name that it needs.
fn replacement(
    name: &str,
    column: &Column,
    rule: &Rule,
    link: &Link,
) -> Result<(String, Option<String>), String> {
    let value = quote(&column.name);
    let slot = Slot {
        value: &value,
        kind: Kind::of(&column.base),
        length: link.length,
        lower: link.lower,
        unique: link.unique,
        small: link.small,
        not_null: column.not_null,
    };
    let helper = match rule {
        Rule::Constant { .. } if column.unique && !column.unique_alone => {
            let slot = Slot { unique: false, ..slot };
            return rules::expression(rule, &slot).map(|expression| (expression, None));
        }
        Rule::Json { paths } if slot.kind == Kind::Json && !column.array => {
            let paths: Vec<(&[Step], &Rule)> =
                paths.iter().map(|(path, at)| (path.0.as_slice(), &at.rule)).collect();
            nested::json(name, &column.base, &slot, &paths)?
        }
        Rule::Null | Rule::Constant { .. } | Rule::Sql { .. } => {
            return rules::expression(rule, &slot).map(|expression| (expression, None));
        }
        rule if column.array => nested::array(name, column, &slot, rule)?,
        rule => return rules::expression(rule, &slot).map(|expression| (expression, None)),
    };
    Ok((helper.call, Some(helper.definition)))
}

/// A foreign key is in the way when a side of it is masked, or is emptied on its way.
fn taken_away(schema: &Schema, plan: &Plan) -> Vec<ForeignKey> {
    let by_oid = schema.by_oid();
    let root = |oid: &u32| by_oid.get(oid).and_then(|table| table.root).unwrap_or(*oid);
    let emptied: BTreeSet<u32> = plan
        .tables
        .iter()
        .filter(|table| matches!(table.way, Way::Reload | Way::Truncate))
        .map(|table| table.table.oid)
        .collect();
    let masked: BTreeSet<(u32, &str)> = plan
        .tables
        .iter()
        .flat_map(|table| table.masked.iter().map(|column| (table.table.oid, column.name.as_str())))
        .collect();
    let touched = |key: &&ForeignKey| {
        let sides = [(root(&key.table), &key.columns), (root(&key.parent), &key.parent_columns)];
        sides.iter().any(|(table, columns)| {
            emptied.contains(table)
                || columns.iter().any(|column| masked.contains(&(*table, column.as_str())))
        })
    };
    schema.foreign_keys.iter().filter(touched).cloned().collect()
}
