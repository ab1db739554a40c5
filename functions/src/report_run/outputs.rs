//! What the states answered: versions, targets, counts, what was left behind.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runbook::Finding;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    history::History,
    report::{Carried, Kind, Report, Step, Target},
    sections::{Analyzed, Attestation, Export, Extension, Masking, Rehearsal, RowCounts, Wires},
};

/// Of an output only what is shown; what a state answers besides is its own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    from: String,
    target: String,
    other_way: Option<String>,
    #[serde(default)]
    warnings: Vec<Finding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selected {
    sync: String,
    source: String,
    snapshot: Option<String>,
    taken: Option<Timestamp>,
    engine_version: Option<String>,
    #[serde(default)]
    targets: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Analysis {
    #[serde(flatten)]
    counts: Analyzed,
    #[serde(default)]
    extensions: Vec<Extension>,
    #[serde(default)]
    extensions_left: Vec<Extension>,
}

#[derive(Deserialize)]
struct Verified {
    rows: Option<RowCounts>,
    #[serde(default)]
    warnings: Vec<String>,
    terraform: String,
}

#[derive(Deserialize)]
struct Sanitized {
    wires: BTreeMap<String, u64>,
    tables: u64,
    rows: u64,
    seconds: u64,
}

#[derive(Deserialize)]
struct Attested {
    summary: String,
    attestation: String,
    #[serde(default)]
    counts: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Prepared {
    #[serde(default)]
    kept: Vec<KeptTable>,
}

#[derive(Deserialize)]
struct KeptTable {
    database: String,
    table: String,
    rows: u64,
}

#[derive(Deserialize)]
struct Swapped {
    endpoint: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retired {
    #[serde(default)]
    kept: Vec<String>,
    #[serde(default)]
    deleted: Vec<String>,
    #[serde(default)]
    not_ours: Vec<String>,
}

#[derive(Deserialize)]
struct Chosen {
    export: Option<String>,
    snapshot: Option<String>,
    taken: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Published {
    #[serde(rename = "export")]
    name: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Left {
    #[serde(default)]
    left: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    snapshot: String,
    #[serde(default)]
    way_back: Vec<String>,
}

fn read<T: DeserializeOwned>(output: &Value) -> Option<T> {
    // A list of another version's state is no reason to write no report.
    serde_json::from_value(output.clone()).ok()
}

impl Report {
    pub(super) fn read_outputs(&mut self, history: &History) {
        for (number, answer) in &history.outputs {
            let step = &history.steps[*number];
            self.read_output(step, answer);
        }
        self.judge_targets();
        if let Some(taken) = self.data_taken {
            self.data_age = Some(self.until().duration_since(taken).as_secs());
        }
    }

    /// What several have found is told once.
    pub(super) fn know(&mut self, mut found: Vec<Finding>) {
        found.retain(|found| self.findings.iter().all(|known| known.id() != found.id()));
        self.findings.extend(found);
    }

    fn read_output(&mut self, step: &Step, output: &Value) {
        match step.state.as_str() {
            "ResolveUpgrade" => {
                if let Some(plan) = read::<Plan>(output) {
                    // A hop resolves again, from where it has come.
                    self.from.get_or_insert(plan.from);
                    self.to = Some(plan.target);
                    self.other_way = plan.other_way;
                    self.know(plan.warnings);
                }
            }
            "SwitchOver" => {
                self.switchover = read(output);
                self.left.extend(read(output).map(|left: Left| left.left).unwrap_or_default());
            }
            "SelectSnapshot" => {
                if let Some(selected) = read::<Selected>(output) {
                    self.sync.get_or_insert(selected.sync);
                    self.cluster = Some(selected.source);
                    self.from = selected.engine_version;
                    self.data_taken = selected.taken;
                    (self.copies.source, self.copies.source_taken) = (selected.snapshot, selected.taken);
                    for name in selected.targets {
                        self.target(&name);
                    }
                }
            }
            "SelectExport" => {
                if let Some(Chosen { export: Some(name), snapshot, taken }) = read(output) {
                    self.data_taken = taken;
                    (self.copies.source, self.copies.source_taken) = (snapshot, taken);
                    self.export = Some(Export { name, ..Export::default() });
                }
            }
            "PublishExport" => {
                let named = |Published { name, mut rest }| {
                    rest.insert("name".to_owned(), Value::String(name));
                    read::<Export>(&Value::Object(rest))
                };
                self.export = read(output).and_then(named).or(self.export.take());
            }
            // Of the first hop: what came before all of them.
            "TakeSnapshot" if self.copies.before_upgrade.is_none() => {
                if let Some(taken) = read::<Snapshot>(output) {
                    self.copies.before_upgrade = Some(taken.snapshot);
                    self.copies.way_back = taken.way_back;
                }
            }
            "SnapshotSanitized" => {
                self.copies.sanitized = read(output).map(|taken: Snapshot| taken.snapshot);
            }
            "RunAnalyze" => {
                if let Some(analysis) = read::<Analysis>(output) {
                    self.analyzed = Some(analysis.counts);
                    self.extensions = analysis.extensions_left;
                    self.extensions.extend(analysis.extensions);
                }
            }
            "VerifyUpgrade" => {
                if let Some(verified) = read::<Verified>(output) {
                    self.rows = verified.rows;
                    self.warnings.extend(verified.warnings);
                    self.terraform = Some(verified.terraform);
                }
            }
            "SanitizeDatabases" => {
                if let Some(Sanitized { wires, tables, rows, seconds }) = read(output) {
                    self.wires = Some(Wires { cut: wires, kept: Vec::new() });
                    self.masking = Some(Masking { tables, rows, seconds, columns: Vec::new() });
                }
            }
            "AttestSanitized" => {
                self.attestation = read(output).map(|attested: Attested| Attestation {
                    summary: attested.summary,
                    counts: attested.counts,
                    key: attested.attestation,
                });
            }
            "ApplyPendingMaintenance" => {
                self.warnings.extend(read(output).map(|left: Left| left.left).unwrap_or_default());
            }
            "RecordRehearsal" => {
                if let Some(rehearsal) = read::<Rehearsal>(output) {
                    self.from = Some(rehearsal.from.clone());
                    self.to = rehearsal.path.last().cloned();
                    self.rehearsal = Some(rehearsal);
                }
            }
            "CleanUp" => self.left = read(output).map(|left: Left| left.left).unwrap_or_default(),
            "PrepareTarget" => {
                let kept = read(output).map(|done: Prepared| done.kept).unwrap_or_default();
                if let Some(name) = &step.of {
                    self.target(name).carried = kept.into_iter().map(KeptTable::named).collect();
                }
            }
            "SwapTarget" => {
                if let (Some(name), Some(swapped)) = (&step.of, read::<Swapped>(output)) {
                    let target = self.target(name);
                    (target.endpoint, target.published) = (swapped.endpoint, step.exited);
                }
            }
            "RetireOld" => {
                if let (Some(name), Some(retired)) = (&step.of, read::<Retired>(output)) {
                    let target = self.target(name);
                    (target.kept, target.deleted) = (retired.kept, retired.deleted);
                    target.not_ours = retired.not_ours;
                }
            }
            _ => {}
        }
    }

    fn target(&mut self, name: &str) -> &mut Target {
        let found = self.targets.iter().position(|target| target.name == name);
        let index = found.unwrap_or_else(|| {
            self.targets.push(Target::new(name));
            self.targets.len() - 1
        });
        &mut self.targets[index]
    }

    /// A target succeeded when its last state did; it failed when one of its states did, or when
    /// the run ended before.
    fn judge_targets(&mut self) {
        let (over, whole) = (self.kind != Kind::Running, self.kind);
        for target in &mut self.targets {
            let steps = self.steps.iter().filter(|step| step.of.as_deref() == Some(&*target.name));
            let failed = steps.clone().find(|step| step.failed_at(over).is_some());
            let retired = steps.clone().any(|step| step.state == "RetireOld" && !step.is_open());
            target.kind = match (failed, retired) {
                (Some(step), _) => {
                    let said = step.error.as_deref().unwrap_or_default();
                    let (error, cause) = said.split_once(": ").unwrap_or((said, ""));
                    (target.error, target.cause) = (Some(error.to_owned()), Some(cause.to_owned()));
                    if error == "Blocked" { Kind::Blocked } else { Kind::Failed }
                }
                (None, true) => Kind::Succeeded,
                // It leads to what it led to before.
                (None, false) if over && whole == Kind::Succeeded => Kind::Succeeded,
                (None, false) if over => whole,
                (None, false) => Kind::Running,
            };
        }
    }
}

impl Target {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Running,
            endpoint: None,
            published: None,
            downtime: None,
            error: None,
            cause: None,
            carried: Vec::new(),
            kept: Vec::new(),
            deleted: Vec::new(),
            not_ours: Vec::new(),
            swap: None,
        }
    }
}

impl KeptTable {
    fn named(self) -> Carried {
        Carried { table: format!("{}/{}", self.database, self.table), rows: self.rows }
    }
}
