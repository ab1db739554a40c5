//! The plans of production's most expensive queries on the clone, before and after its upgrade.
//! ComparePlans writes them into the run's folder.
//!
//! A plan says what is read by which means, and nothing of what it is compared with: filters and
//! conditions hold values of rows. A query's text is shown without comments and values.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Run;

/// What is done about a query that costs more after the upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanRegression {
    /// The planner's cost after the upgrade, divided by the one before it.
    #[serde(deserialize_with = "ratio")]
    #[schemars(range(min = 1))]
    pub cost_ratio: f64,
    pub action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The rehearsal fails at a query of that ratio, or at one that can no longer be planned.
    Block,
    Tell,
}

fn ratio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let ratio = f64::deserialize(deserializer)?;
    if ratio.is_finite() && ratio >= 1.0 {
        return Ok(ratio);
    }
    Err(serde::de::Error::custom("a cost ratio is 1 or more"))
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plans {
    /// Why there are fewer queries than one would expect.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Queries with a plan before and after the upgrade.
    pub compared: usize,
    /// Of these, with another plan.
    pub changed: usize,
    /// Of these, with the same plan at twice the cost or more.
    pub costlier: usize,
    /// Queries with a plan before the upgrade and none after it.
    pub lost: usize,
    /// Queries without a plan before the upgrade, by reason.
    pub unexplained: BTreeMap<String, usize>,
    /// Lost ones, then the others with the highest ratio first, then the unexplained ones. Those
    /// whose plan and cost are about the same are only counted.
    pub queries: Vec<Query>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Query {
    /// Ours: queryid is another one after an upgrade.
    pub number: i32,
    pub database: String,
    pub role: String,
    /// As pg_stat_statements of production counted them.
    pub calls: i64,
    pub milliseconds: f64,
    /// Without comments and values; absent where production shows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Outcome {
    Compared {
        changed: bool,
        /// The cost after the upgrade, divided by the one before it.
        ratio: f64,
        cost_before: f64,
        cost_after: f64,
        /// One tree, or several where a rule has made several statements of one. Empty where the
        /// plans of worse queries have filled the object.
        before: Vec<Node>,
        after: Vec<Node>,
    },
    Lost {
        reason: String,
    },
    Unexplained {
        reason: String,
    },
}

/// A step of a plan, as EXPLAIN names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// `Index Scan`, `Hash Join (Left)`.
    pub kind: String,
    /// With its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    pub cost: f64,
    pub rows: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub below: Vec<Node>,
    /// Nodes below it that are not shown.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Node {
    /// The nodes of the tree.
    pub fn size(&self) -> usize {
        1 + self.left_out + self.below.iter().map(Self::size).sum::<usize>()
    }

    /// Whether the same is read by the same means, whatever it costs.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.kind, &self.relation, &self.index) == (&other.kind, &other.relation, &other.index)
            && are_alike(&self.below, &other.below)
    }
}

pub fn are_alike(some: &[Node], others: &[Node]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| one.is_like(other))
}

pub fn key(run: &Run) -> String {
    format!("{}/plans.json", run.prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: &str, index: Option<&str>, below: Vec<Node>) -> Node {
        let index = index.map(str::to_owned);
        Node { kind: kind.into(), relation: None, index, cost: 1.0, rows: 1.0, below, left_out: 0 }
    }

    #[test]
    fn plans_differ_by_what_is_read_and_how_and_not_by_cost() {
        let plan = |index| node("Sort", None, vec![node("Index Scan", Some(index), vec![])]);
        let mut dear = plan("a");
        dear.below[0].cost = 100.0;
        assert!(plan("a").is_like(&dear));
        assert!(!plan("a").is_like(&plan("b")));
        assert!(!plan("a").is_like(&node("Sort", None, vec![])));
        assert_eq!(plan("a").size(), 2);
    }

    #[test]
    fn a_gate_below_one_would_stop_every_upgrade_and_is_refused() {
        let read = |ratio: &str| {
            serde_json::from_str::<PlanRegression>(&format!(r#"{{"costRatio": {ratio}, "action": "block"}}"#))
        };
        assert_eq!(read("10").unwrap(), PlanRegression { cost_ratio: 10.0, action: Action::Block });
        for wrong in ["0.5", "-1", "\"10\"", "1e999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let outcome = Outcome::Compared {
            changed: true,
            ratio: 2.5,
            cost_before: 4.0,
            cost_after: 10.0,
            before: vec![node("Index Scan", Some("i"), vec![])],
            after: vec![node("Seq Scan", None, vec![])],
        };
        let query = |number, outcome| Query {
            number,
            database: "shop".into(),
            role: "app".into(),
            calls: 1,
            milliseconds: 1.5,
            text: None,
            outcome,
        };
        let lost = Outcome::Lost { reason: "because".into() };
        let plans =
            Plans { queries: vec![query(1, outcome), query(2, lost)], compared: 1, ..Plans::default() };
        let json = serde_json::to_value(&plans).unwrap();
        assert_eq!(json["queries"][0]["outcome"]["costBefore"], 4.0);
        assert_eq!(json["queries"][1]["outcome"]["is"], "lost");
        assert_eq!(serde_json::from_value::<Plans>(json).unwrap(), plans);
    }
}
