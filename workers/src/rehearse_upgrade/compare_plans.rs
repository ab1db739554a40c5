//! Plans production's most expensive queries again on the upgraded clone, and compares.
//!
//! Changes nothing on the clone but the memberships that CapturePlans needs, too; writes
//! `plans.json` under the run's prefix. It is called when ANALYZE has ended: plans without
//! statistics say nothing.
//!
//! Again is harmless: what CapturePlans kept is only read. Nothing to undo.
//!
//! Errors: `Blocked` with the queries that cost more than the input allows; `Refused` when the
//! clone is not this run's or nothing was captured; `NotReady` when the server goes away.

use std::fmt::Write;

use runbook::{
    Context, Error, Finding, Level, Result, Run, State, aurora,
    postgres::Login,
    rehearse_upgrade::plans::{self, Action, Node, Outcome, PlanRegression, Plans, Query, are_alike},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::{
    capture_plans::our_clone,
    explain::{Explained, Planner},
    record::{self, Kept},
    shown::shown,
};
use crate::shared::roles::{self, Of};

/// A query whose plan is the same is shown when it costs that many times what it did.
const COSTLIER: f64 = 2.0;
/// Nodes that are shown of a plan, and of all plans together: the object has a few megabytes at
/// most.
const NODES: usize = 50;
const NODES_OF_ALL: usize = 8_000;
/// Findings of an error.
const LISTED: usize = 20;
/// The planner takes no cost for nothing.
const LEAST_COST: f64 = 0.01;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComparePlans {
    /// The DB cluster identifier of the clone that this run made.
    pub clone: String,
    /// Which queries stop the rehearsal; none when absent.
    pub plan_regression: Option<PlanRegression>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    pub summary: String,
    /// Queries with a plan before and after the upgrade.
    pub compared: usize,
    /// Of these, with another plan.
    pub changed: usize,
    /// The one with the highest ratio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<Worst>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Worst {
    pub number: i32,
    pub database: String,
    /// The cost after the upgrade, divided by the one before it.
    pub ratio: f64,
    pub changed: bool,
}

impl State for ComparePlans {
    const NAME: &'static str = "ComparePlans";
    type Output = Compared;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Compared> {
        let clone = our_clone(cx, run, &self.clone).await?;
        let login = aurora::login(cx, &clone, None).await?;
        compare(cx, run, &login, self.plan_regression).await
    }
}

/// On a server, whether it is a cluster's or not.
pub async fn compare(
    cx: &Context,
    run: &Run,
    clone: &Login,
    gate: Option<PlanRegression>,
) -> Result<Compared> {
    let main = record::session(cx, clone, "postgres").await?;
    roles::learn_system_roles(&main).await?;
    let memberships = roles::become_member(&main, Of::All).await?;
    let looked = look(cx, clone, &main).await;
    memberships.give_back(&main).await?;
    let (queries, notes) = looked?;
    let worst = worst(&queries);
    let blocking = gate.map(|gate| blocking(&queries, gate)).unwrap_or_default();
    let plans = sum_up(queries, notes);
    cx.store.put_json(&plans::key(run), &plans).await?;
    if !blocking.is_empty() {
        return Err(Error::Blocked(blocking));
    }
    let summary = summary(&plans, worst.as_ref());
    Ok(Compared { summary, compared: plans.compared, changed: plans.changed, worst })
}

async fn look(cx: &Context, clone: &Login, main: &Client) -> Result<(Vec<Query>, Vec<String>)> {
    let (databases, notes) = record::captured(main).await?;
    let mut queries = Vec::new();
    for database in databases {
        let kept = record::read(&record::session(cx, clone, &database).await?, &database).await?;
        cx.progress.say(format!("plans of {} queries in database {database}", kept.len()));
        let planner = Planner::connect(cx, clone, &database).await?;
        for query in kept {
            let after = match (&query.before, &query.text) {
                (Ok(_), Some(text)) => planner.explain(&query.role, text).await?,
                _ => Err(String::new()),
            };
            queries.push(compared(&database, query, after));
        }
    }
    Ok((queries, notes))
}

fn compared(database: &str, kept: Kept, after: Explained) -> Query {
    let outcome = match (kept.before, after) {
        (Ok(before), Ok(after)) => {
            let cost = |plan: &[Node]| plan.iter().map(|node| node.cost).sum::<f64>();
            let (cost_before, cost_after) = (cost(&before), cost(&after));
            let ratio = cost_after.max(LEAST_COST) / cost_before.max(LEAST_COST);
            // Of what a person reads; EXPLAIN itself shows two places.
            let ratio = (ratio * 1_000.0).round() / 1_000.0;
            let changed = !are_alike(&before, &after);
            Outcome::Compared { changed, ratio, cost_before, cost_after, before, after }
        }
        (Ok(_), Err(reason)) => Outcome::Lost { reason },
        (Err(reason), _) => Outcome::Unexplained { reason },
    };
    Query {
        number: kept.number,
        database: database.to_owned(),
        role: kept.role,
        calls: kept.calls,
        milliseconds: kept.milliseconds,
        text: kept.text.as_deref().map(shown),
        outcome,
    }
}

fn worst(queries: &[Query]) -> Option<Worst> {
    let compared = queries.iter().filter_map(|query| match query.outcome {
        Outcome::Compared { ratio, changed, .. } => {
            Some(Worst { number: query.number, database: query.database.clone(), ratio, changed })
        }
        _ => None,
    });
    compared.max_by(|one, other| one.ratio.total_cmp(&other.ratio))
}

/// Worst first: what is lost, then by ratio, then what was never explained.
fn place(query: &Query) -> (u8, f64) {
    match query.outcome {
        Outcome::Lost { .. } => (0, -query.milliseconds),
        Outcome::Compared { ratio, .. } => (1, -ratio),
        Outcome::Unexplained { .. } => (2, -query.milliseconds),
    }
}

fn sum_up(mut queries: Vec<Query>, notes: Vec<String>) -> Plans {
    let mut plans = Plans { notes, ..Plans::default() };
    queries.sort_by(|one, other| {
        let ((kind, number), (other_kind, other_number)) = (place(one), place(other));
        kind.cmp(&other_kind).then(number.total_cmp(&other_number)).then(one.number.cmp(&other.number))
    });
    let mut room = NODES_OF_ALL;
    for mut query in queries {
        match &mut query.outcome {
            Outcome::Compared { changed, ratio, before, after, .. } => {
                plans.compared += 1;
                plans.changed += usize::from(*changed);
                plans.costlier += usize::from(!*changed && *ratio >= COSTLIER);
                if !*changed && *ratio < COSTLIER {
                    continue;
                }
                for plan in [before, after] {
                    bound(plan, &mut room);
                }
            }
            Outcome::Lost { .. } => plans.lost += 1,
            Outcome::Unexplained { reason } => *plans.unexplained.entry(reason.clone()).or_default() += 1,
        }
        plans.queries.push(query);
    }
    plans
}

/// Keeps the first nodes of a plan, as long as there is room for them.
fn bound(plan: &mut Vec<Node>, room: &mut usize) {
    let mut mine = NODES.min(*room);
    let most = mine;
    cut(plan, &mut mine);
    *room -= most - mine;
}

/// How many nodes are gone.
fn cut(plan: &mut Vec<Node>, room: &mut usize) -> usize {
    let mut gone = 0;
    plan.retain_mut(|node| {
        if *room == 0 {
            gone += node.size();
            return false;
        }
        *room -= 1;
        node.left_out += cut(&mut node.below, room);
        true
    });
    gone
}

fn blocking(queries: &[Query], gate: PlanRegression) -> Vec<Finding> {
    if gate.action == Action::Tell {
        return Vec::new();
    }
    let reason = |query: &Query| match &query.outcome {
        Outcome::Compared { ratio, changed, .. } if *ratio >= gate.cost_ratio => Some(format!(
            "it costs {ratio} times what it did before the upgrade, with {} plan; the input \
             allows less than {}",
            if *changed { "another" } else { "the same" },
            gate.cost_ratio
        )),
        Outcome::Lost { reason } => {
            Some(format!("it could be planned before the upgrade and cannot be planned after it: {reason}"))
        }
        _ => None,
    };
    let mut found: Vec<(&Query, String)> =
        queries.iter().filter_map(|query| Some((query, reason(query)?))).collect();
    found.sort_by(|(one, _), (other, _)| place(one).1.total_cmp(&place(other).1));
    found.sort_by_key(|(query, _)| place(query).0);
    let number = found.len();
    let mut findings: Vec<Finding> = found.into_iter().take(LISTED).map(|(q, why)| finding(q, why)).collect();
    if let Some(last) = findings.last_mut().filter(|_| number > LISTED) {
        let _ = write!(last.reason, ". {} more are in plans.json", number - LISTED);
    }
    findings
}

fn finding(query: &Query, reason: String) -> Finding {
    Finding {
        check: "plan-regression".into(),
        level: Level::Block,
        database: Some(query.database.clone()),
        object: format!("query {}", query.number),
        reason: format!("{reason} (role {}, {} calls)", query.role, query.calls),
        remedy: "look at both plans in plans.json of the run's folder; change the query, its indexes, their \
                 statistics or the parameters of the new version, or allow a higher costRatio"
            .into(),
    }
}

fn summary(plans: &Plans, worst: Option<&Worst>) -> String {
    let mut text = format!("{} queries compared: {} have another plan", plans.compared, plans.changed);
    if plans.costlier > 0 {
        let _ = write!(text, ", {} cost twice as much or more with the same", plans.costlier);
    }
    if let Some(Worst { number, database, ratio, .. }) = worst {
        let _ = write!(text, "; the worst, query {number} in {database}, costs {ratio} times what it did");
    }
    if plans.lost > 0 {
        let _ = write!(text, "; {} can no longer be planned", plans.lost);
    }
    for (reason, number) in &plans.unexplained {
        let _ = write!(text, "; {number} not compared: {reason}");
    }
    for note in &plans.notes {
        let _ = write!(text, "; {note}");
    }
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(kind: &str, cost: f64) -> Vec<Node> {
        let relation = Some("public.orders".to_owned());
        vec![Node { kind: kind.into(), relation, index: None, cost, rows: 1.0, below: vec![], left_out: 0 }]
    }

    fn query(number: i32, before: Explained, after: Explained) -> Query {
        let text = Some("SELECT 'Zeisig'".into());
        let kept =
            Kept { number, role: "app".into(), calls: 3, milliseconds: f64::from(number), text, before };
        compared("shop", kept, after)
    }

    fn some() -> Vec<Query> {
        let why = || "because".to_owned();
        vec![
            query(1, Ok(plan("Index Scan", 4.0)), Ok(plan("Index Scan", 4.1))),
            query(2, Ok(plan("Index Scan", 4.0)), Ok(plan("Index Scan", 9.0))),
            query(3, Ok(plan("Index Scan", 4.0)), Ok(plan("Seq Scan", 100.0))),
            query(4, Ok(plan("Seq Scan", 100.0)), Ok(plan("Index Scan", 4.0))),
            query(5, Err(why()), Err(String::new())),
            query(6, Ok(plan("Seq Scan", 1.0)), Err(why())),
            query(7, Ok(plan("Result", 0.0)), Ok(plan("Result", 0.0))),
        ]
    }

    #[test]
    fn the_worst_come_first_and_what_is_as_before_is_only_counted() {
        let queries = some();
        let worst = worst(&queries);
        let plans = sum_up(queries, vec!["a note".into()]);
        let order: Vec<i32> = plans.queries.iter().map(|query| query.number).collect();
        assert_eq!(order, [6, 3, 2, 4, 5]);
        assert_eq!((plans.compared, plans.changed, plans.costlier, plans.lost), (5, 2, 1, 1));
        assert_eq!(plans.unexplained, [("because".to_owned(), 1)].into());
        assert_eq!(plans.queries[0].text.as_deref(), Some("SELECT …"));
        assert_eq!(
            summary(&plans, worst.as_ref()),
            "5 queries compared: 2 have another plan, 1 cost twice as much or more with the same; the worst, \
             query 3 in shop, costs 25 times what it did; 1 can no longer be planned; 1 not compared: \
             because; a note."
        );
    }

    #[test]
    fn a_gate_stops_at_its_ratio_and_at_what_is_lost_and_one_that_tells_does_not() {
        let gate = |cost_ratio, action| PlanRegression { cost_ratio, action };
        let found = |cost_ratio| {
            let findings = blocking(&some(), gate(cost_ratio, Action::Block));
            findings.into_iter().map(|finding| finding.id()).collect::<Vec<_>>()
        };
        assert_eq!(found(25.0), ["plan-regression:shop/query 6", "plan-regression:shop/query 3"]);
        assert_eq!(found(25.1), ["plan-regression:shop/query 6"]);
        assert_eq!(blocking(&some(), gate(1.0, Action::Tell)), []);
        let many: Vec<Query> =
            (1..=50).map(|n| query(n, Ok(plan("a", 1.0)), Ok(plan("a", f64::from(n) + 9.0)))).collect();
        let findings = blocking(&many, gate(2.0, Action::Block));
        assert_eq!(findings.len(), LISTED);
        assert_eq!(findings[0].object, "query 50");
        let last = &findings[LISTED - 1].reason;
        assert!(last.ends_with("30 more are in plans.json"), "{last}");
    }

    #[test]
    fn a_plan_of_any_size_takes_so_much_room() {
        let wide = |number| {
            let mut root = plan("Append", 1.0);
            root[0].below = (0..number).flat_map(|_| plan("Seq Scan", 1.0)).collect();
            root
        };
        let mut room = 60;
        let mut first = wide(1_000);
        bound(&mut first, &mut room);
        assert_eq!((first[0].below.len(), first[0].left_out, first[0].size(), room), (49, 951, 1_001, 10));
        let mut second = wide(3);
        bound(&mut second, &mut room);
        assert_eq!((second[0].below.len(), second[0].left_out, room), (3, 0, 6));
        room = 0;
        bound(&mut second, &mut room);
        assert_eq!(second, []);
    }
}
