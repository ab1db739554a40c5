//! What Step Functions does not show: what the states left in the run bucket, and RDS's own events.
//!
//! The bucket is read with this role's own rights, and what stands there is not believed: it is
//! parsed, of bounded size, and what does not fit is left out of the report with a line in the log.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types::SourceType;
use runbook::{
    Context, Result, aurora,
    error::aws,
    major_upgrade::{Question, question_key},
    rehearse_upgrade::plans::{Node, Outcome, Plans},
    snapshot_export::reconciliation::{Reconciliation, Table},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    cost::Prices,
    downtime, fleet,
    history::{self, History},
    report::{Kind, Place, Progress, Report, Step},
    sections::{
        Approval, Column, Difference, ExportedTable, KeptWire, ParameterGroup, PlanChange, PlanCheck,
        Statement,
    },
};

/// No report of ours is as large; a larger object is somebody else's.
const LARGEST: usize = 8 << 20;

/// A wire as SanitizeDatabases writes it; one without a reason was cut.
#[derive(Deserialize)]
struct Wire {
    kind: String,
    database: Option<String>,
    object: String,
    kept: Option<String>,
}

impl Report {
    /// Adds all that is not in the execution's history. What cannot be read is no reason for no
    /// report: the report says that it is missing.
    pub(super) async fn complete(&mut self, cx: &Context, history: &History, prices: &Prices) {
        let folder = format!("runs/{}", self.name);
        for missing in [
            self.add_states(cx).await,
            self.add_asked(cx, history, &folder).await,
            self.add_upgrade(cx, history, &folder).await,
            self.add_fleet(cx, &folder).await,
            self.add_question(cx).await,
            self.add_plans(cx, &folder).await,
            self.add_sanitized(cx, &folder).await,
            self.add_reconciliation(cx, &folder).await,
            self.add_progress(cx, &folder).await,
            self.add_downtime(cx).await,
        ] {
            if let Err(error) = missing {
                tracing::warn!(%error, "a part of the report could not be read");
                self.missing.push(error.to_string());
            }
        }
        self.add_standing();
        self.cost = prices.cost(history, self);
    }

    fn entered(&self, state: &str) -> bool {
        self.steps.iter().any(|step| step.state == state)
    }

    async fn add_upgrade(&mut self, cx: &Context, history: &History, folder: &str) -> Result<()> {
        if self.entered("InspectDatabases") {
            self.know(list(cx, &format!("{folder}/findings.json")).await?);
        }
        for key in parameter_reports(history, folder) {
            self.parameters.extend(list::<ParameterGroup>(cx, &key).await?);
        }
        if self.entered("RunAnalyze") {
            let statements: Vec<Statement> = list(cx, &format!("{folder}/analyze.json")).await?;
            if !statements.is_empty() {
                self.analyzed.get_or_insert_default().statements = statements;
            }
        }
        Ok(())
    }

    async fn add_question(&mut self, cx: &Context) -> Result<()> {
        let is_asked = |step: &Step| step.state == "AskApproval" && step.is_open();
        if !self.is_running() || !self.steps.last().is_some_and(is_asked) {
            return Ok(());
        }
        // Without it the question has not been put yet.
        let Some(question) = cx.store.get_json::<Question>(&question_key(&self.name)).await? else {
            return Ok(());
        };
        let Some((region, console)) = self.region().filter(|_| question.is_plain()) else { return Ok(()) };
        self.approval = Some(Approval::of(&question, region, &console));
        let plan = self.steps.iter().rev().find(|step| step.state == "ResolveUpgrade");
        let plan = plan.and_then(|step| step.summary.as_deref()).unwrap_or("the upgrade is ready");
        let done = match self.entered("EnableLogicalReplication") {
            true => "Since the reboot nothing that users feel has been done.",
            false => "Nothing that users feel has been done.",
        };
        self.outcome = format!("A person is asked: {plan}. {done}");
        Ok(())
    }

    /// Also of a rehearsal that its plans have stopped, which has no record.
    async fn add_plans(&mut self, cx: &Context, folder: &str) -> Result<()> {
        if !self.entered("ComparePlans") {
            return Ok(());
        }
        let found: Option<Plans> = read(cx, &format!("{folder}/plans.json")).await?;
        self.plans = found.map(PlanCheck::of);
        Ok(())
    }

    async fn add_states(&mut self, cx: &Context) -> Result<()> {
        if self.kind == Kind::Succeeded {
            return Ok(());
        }
        let describe = cx.sfn.describe_state_machine_for_execution().execution_arn(&self.execution);
        let machine = describe.send().await.map_err(aws("states:DescribeStateMachineForExecution"))?;
        let tasks = history::tasks(machine.definition());
        // An upgrade that is not only rehearsed does not come to it.
        let blue_green = self.input.get("method").is_some_and(|method| method == "blue-green");
        let others = if blue_green { &OF_IN_PLACE[..] } else { &OF_BLUE_GREEN[..] };
        // What a fleet starts is no step of its own.
        let not_ahead =
            |state: &str| state == "Rehearse" || others.contains(&state) || fleet::STARTS.contains(&state);
        let is_ahead = |state: &String| !self.entered(state) && !not_ahead(state);
        self.ahead = tasks.into_iter().filter(is_ahead).collect();
        Ok(())
    }

    async fn add_sanitized(&mut self, cx: &Context, folder: &str) -> Result<()> {
        if !self.entered("SanitizeDatabases") {
            return Ok(());
        }
        let all: Vec<Wire> = list(cx, &format!("{folder}/wires.json")).await?;
        if !all.is_empty() {
            let wires = self.wires.get_or_insert_default();
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            for wire in all {
                match wire.kept {
                    None => *counts.entry(wire.kind).or_default() += 1,
                    Some(reason) => wires.kept.push(KeptWire {
                        kind: wire.kind,
                        database: wire.database,
                        object: wire.object,
                        reason,
                    }),
                }
            }
            wires.cut = counts;
        }
        let columns: Vec<Column> = list(cx, &format!("{folder}/masking.json")).await?;
        if !columns.is_empty() {
            self.masking.get_or_insert_default().columns = columns;
        }
        Ok(())
    }

    async fn add_reconciliation(&mut self, cx: &Context, folder: &str) -> Result<()> {
        if !self.entered("ReconcileExport") {
            return Ok(());
        }
        let found: Option<Reconciliation> = read(cx, &format!("{folder}/reconciliation.json")).await?;
        if let (Some(export), Some(found)) = (&mut self.export, found) {
            export.verified.get_or_insert(found.verified);
            export.warnings = found.warnings;
            export.reconciled = found.tables.into_iter().map(exported).collect();
        }
        Ok(())
    }

    /// What the workers that are at work have said last.
    async fn add_progress(&mut self, cx: &Context, folder: &str) -> Result<()> {
        let running = self.is_running();
        let at_work =
            self.steps.iter_mut().filter(|step| running && step.is_open() && step.place == Place::Worker);
        for step in at_work {
            let key = format!("{folder}/{}", runbook::worker::progress_key(&step.state, step.of.as_deref()));
            let said: Option<Progress> = read(cx, &key).await?;
            // A former try's, or another entry's.
            step.progress = said.filter(|progress| progress.at >= step.entered);
        }
        Ok(())
    }

    async fn add_downtime(&mut self, cx: &Context) -> Result<()> {
        let disturbing = [
            "ApplyPendingMaintenance",
            "EnableLogicalReplication",
            "ModifyClusterVersion",
            "SyncParameterGroups",
        ];
        let upgraded = disturbing.iter().any(|state| self.entered(state));
        if !upgraded && !self.entered("SwapTarget") {
            return Ok(());
        }
        let clusters = downtime::events(cx, SourceType::DbCluster, self.started, self.until()).await?;
        for target in &mut self.targets {
            target.downtime = downtime::of_a_rename(&target.name, &clusters);
        }
        let (true, Some(name)) = (upgraded, &self.cluster) else { return Ok(()) };
        // Right after a rename RDS answers to a cluster's former name too.
        let cluster = aurora::find_cluster(cx, name).await?.filter(|cluster| cluster.id == *name);
        let Some(writer) = cluster.as_ref().and_then(aurora::Cluster::writer) else { return Ok(()) };
        let instances = downtime::events(cx, SourceType::DbInstance, self.started, self.until()).await?;
        self.downtime = downtime::of_a_writer(name, &clusters, writer, &instances);
        Ok(())
    }
}

/// What an upgrade comes to by the one way and not by the other.
const OF_IN_PLACE: [&str; 3] = ["ApplyPendingMaintenance", "TakeSnapshot", "ModifyClusterVersion"];
const OF_BLUE_GREEN: [&str; 5] =
    ["CreateGreen", "PrepareGreen", "AnalyzeGreen", "EnableLogicalReplication", "SwitchOver"];

impl PlanCheck {
    fn of(plans: Plans) -> Self {
        let queries = plans.queries.into_iter().filter_map(|query| {
            let (ratio, before, after) = match query.outcome {
                Outcome::Compared { ratio, before, after, .. } => {
                    (format!("{ratio:.1}"), steps(&before, 0), steps(&after, 0))
                }
                Outcome::Lost { reason } => (reason, Vec::new(), Vec::new()),
                Outcome::Unexplained { .. } => return None,
            };
            Some(PlanChange {
                database: query.database,
                role: query.role,
                calls: query.calls,
                text: query.text.unwrap_or_else(|| "(its text is not shown)".to_owned()),
                ratio,
                before,
                after,
            })
        });
        Self {
            compared: plans.compared as u64,
            changed: plans.changed as u64,
            notes: plans.notes,
            unexplained: plans.unexplained,
            queries: queries.collect(),
        }
    }
}

/// A line a step, those below it further in.
fn steps(nodes: &[Node], depth: usize) -> Vec<String> {
    let line = |node: &Node| {
        let of = [&node.relation, &node.index].into_iter().flatten().map(String::as_str);
        let of: Vec<&str> = of.collect();
        let on = if of.is_empty() { String::new() } else { format!(" on {}", of.join(" by ")) };
        format!("{}{}{on}", "· ".repeat(depth), node.kind)
    };
    nodes.iter().flat_map(|node| [vec![line(node)], steps(&node.below, depth + 1)].concat()).collect()
}

fn exported(table: Table) -> ExportedTable {
    let types = table.columns.iter().map(|column| format!("{} → {}", column.original, column.parquet));
    let differences = table.differences.into_iter().map(|found| Difference {
        what: match found.column {
            Some(column) => format!("{column}: {}", found.what),
            None => found.what,
        },
        accepted: found.accepted,
    });
    ExportedTable {
        types: types.collect::<BTreeSet<String>>().into_iter().collect(),
        table: table.table,
        rows: table.rows,
        source_rows: table.source_rows,
        bytes: table.bytes,
        files: table.files,
        differences: differences.collect(),
    }
}

/// The keys that PrepareParameterGroups has answered, one a hop; only of this run's folder.
fn parameter_reports(history: &History, folder: &str) -> Vec<String> {
    let of_state = |number: &usize| history.steps[*number].state == "PrepareParameterGroups";
    let keys = history.outputs.iter().filter(|(number, _)| of_state(number));
    let mut keys: Vec<String> =
        keys.filter_map(|(_, output)| Some(output.get("report")?.as_str()?.to_owned())).collect();
    keys.retain(|key| key.starts_with(&format!("{folder}/parameters-")));
    keys.dedup();
    keys
}

pub(super) async fn list<T: DeserializeOwned>(cx: &Context, key: &str) -> Result<Vec<T>> {
    Ok(read(cx, key).await?.unwrap_or_default())
}

/// The object, if it is there and is what it should be.
async fn read<T: DeserializeOwned>(cx: &Context, key: &str) -> Result<Option<T>> {
    let Some(bytes) = cx.store.get_at_most(key, LARGEST).await? else { return Ok(None) };
    let parsed = serde_json::from_slice(&bytes);
    if let Err(error) = &parsed {
        tracing::warn!(key, %error, "an object of the run is not what it should be: it is not reported");
    }
    Ok(parsed.ok())
}
