//! What never happens, looked for after every call of a run. The local AWS is read as it is, and
//! not as an answer shows it; a first breach of each invariant is kept with the call that it came
//! after.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use sandbox::{Sandbox, aws::ACCOUNT, rds::Rds};

use super::{
    lineage::Lineage,
    watched::{exports::LatestExport, production::ReadOnly, targets::Targets, upgrade::Upgrades},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    ReadOnly,
    StableName,
    NameLeads,
    PasswordFirst,
    Quarantine,
    RawIsShared,
    SnapshotFirst,
    UpgradedOnce,
    Guarded,
    Fenced,
    LatestIsWhole,
    NeverLedBack,
}

impl Invariant {
    pub const ALL: [Self; 12] = [
        Self::ReadOnly,
        Self::StableName,
        Self::NameLeads,
        Self::PasswordFirst,
        Self::Quarantine,
        Self::RawIsShared,
        Self::SnapshotFirst,
        Self::UpgradedOnce,
        Self::Guarded,
        Self::Fenced,
        Self::LatestIsWhole,
        Self::NeverLedBack,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "a sync and an export leave what they read as it was",
            Self::StableName => {
                "where clients are led is a finished cluster that was attested, never a raw one"
            }
            Self::NameLeads => "a target leads nowhere for no longer than a swap may take",
            Self::PasswordFirst => "a raw copy has no instance before production's password is dead",
            Self::Quarantine => "a raw copy is reached from the quarantine's groups alone",
            Self::RawIsShared => {
                "a raw snapshot of ours is shared with no other account than the environments'"
            }
            Self::SnapshotFirst => "an upgrade is not begun without a snapshot to go back to",
            Self::UpgradedOnce => "an upgrade is begun once",
            Self::Guarded => "nothing that users feel is begun before a person's yes and the window",
            Self::Fenced => "a worker that was refused a heartbeat or its answer has stopped",
            Self::LatestIsWhole => "readers of an export are led to a manifest whose files are all there",
            Self::NeverLedBack => "readers of an export are not led back to older data",
        })
    }
}

/// What of a world is to be watched.
#[derive(Default)]
pub struct Subject {
    /// Clusters, by account and name, that the runs may only read.
    pub read_only: Vec<(&'static str, &'static str)>,
    /// Both targets are there from the start.
    pub yesterdays_targets: bool,
    /// The cluster `orders` is upgraded.
    pub upgraded: bool,
    /// A person has to say yes to it, and it waits until then.
    pub not_before: Option<Timestamp>,
    /// Where an export's latest.json is.
    pub folder: Option<&'static str>,
}

/// A call, as an observer sees it.
pub struct Seen<'a> {
    pub at: Timestamp,
    pub principal: &'a str,
    pub action: &'a str,
    pub form: &'a str,
    pub status: u16,
    pub changes: bool,
    pub spent: bool,
}

/// What is looked at: none of it is asked by a call.
pub struct Places {
    pub rds: Arc<Rds>,
    pub production: Rds,
    pub s3: Arc<local_aws::s3::S3>,
    pub secrets: Arc<local_aws::secretsmanager::SecretsManager>,
    pub ecs: Arc<local_aws::ecs::Ecs>,
}

impl Places {
    pub fn service(&self, account: &str) -> &Rds {
        if account == ACCOUNT { &self.rds } else { &self.production }
    }
}

/// Breaches, as they are found.
#[derive(Default)]
pub struct Breaches(Vec<(Invariant, String)>);

impl Breaches {
    pub fn add(&mut self, invariant: Invariant, saw: impl Into<String>) {
        self.0.push((invariant, saw.into()));
    }
}

struct Watched {
    lineage: Lineage,
    read_only: ReadOnly,
    targets: Targets,
    upgrades: Upgrades,
    refused: Vec<(String, Timestamp)>,
    exports: LatestExport,
    calls: usize,
    broken: BTreeSet<Invariant>,
    said: Vec<String>,
}

/// Watches a sandbox from now on.
#[derive(Clone)]
pub struct Observer(Arc<Mutex<Watched>>);

impl Observer {
    pub fn of(sandbox: &Sandbox, subject: &Subject) -> Self {
        let places = Places {
            rds: sandbox.rds.clone(),
            production: sandbox::production::service(sandbox).unwrap(),
            s3: sandbox.s3.clone(),
            secrets: sandbox.secrets.clone(),
            ecs: sandbox.ecs.clone(),
        };
        let read_only = ReadOnly::of(&places, &subject.read_only);
        let watched = Watched {
            lineage: Lineage::of(&places, &read_only.resource_ids()),
            read_only,
            targets: Targets::of(&places, subject.yesterdays_targets),
            upgrades: Upgrades::of(subject),
            refused: Vec::new(),
            exports: LatestExport::of(subject.folder),
            calls: 0,
            broken: BTreeSet::new(),
            said: Vec::new(),
        };
        let observer = Self(Arc::new(Mutex::new(watched)));
        let watched = observer.0.clone();
        sandbox.gateway.observe(Box::new(move |call, response| {
            let answer = || String::from_utf8_lossy(response.body());
            let seen = Seen {
                at: call.at,
                principal: &call.principal,
                action: &call.action,
                form: &call.form,
                status: call.status,
                // Of a call whose answer is lost nobody knows.
                changes: call.mutates() || call.status == 504,
                spent: call.action.starts_with("SendTask") && call.status == 400 && is_spent(&answer()),
            };
            watched.lock().unwrap().after(&places, &seen);
        }));
        observer
    }

    /// What was broken, in words.
    pub fn broken(&self) -> Vec<String> {
        self.0.lock().unwrap().said.clone()
    }
}

/// What the worker itself takes for the end of its token.
fn is_spent(answer: &str) -> bool {
    ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"].iter().any(|code| answer.contains(code))
}

impl Watched {
    fn after(&mut self, places: &Places, call: &Seen<'_>) {
        self.calls += 1;
        let mut breaches = Breaches::default();
        self.fenced(places, call, &mut breaches);
        self.targets.prepared(places, call);
        self.upgrades.felt(call, &mut breaches);
        if call.changes {
            self.lineage.learn(places, call);
            self.read_only.check(places, &mut breaches);
            self.lineage.check(places, &mut breaches);
            self.upgrades.check(places, &mut breaches);
            self.exports.check(places, &mut breaches);
        }
        self.targets.check(places, &self.lineage, call.at, &mut breaches);
        for (invariant, saw) in breaches.0 {
            if self.broken.insert(invariant) {
                let Seen { principal, action, status, .. } = call;
                let after = format!("call {}, {principal} {action} ({status})", self.calls);
                self.said.push(format!("it is broken that {invariant}: after {after}: {saw}"));
            }
        }
    }

    /// Step Functions has refused a worker's token: the process ends at that instant.
    fn fenced(&mut self, places: &Places, call: &Seen<'_>, breaches: &mut Breaches) {
        let earlier = self.refused.iter().filter(|(_, refused)| *refused < call.at);
        let spent: Vec<&String> = earlier.map(|(token, _)| token).collect();
        if !spent.is_empty() {
            for task in places.ecs.tasks() {
                let token = task.environment.get("TASK_TOKEN");
                if task.last_status == "RUNNING" && token.is_some_and(|token| spent.contains(&token)) {
                    breaches.add(Invariant::Fenced, format!("{:?} still runs", task.command));
                }
            }
        }
        if call.spent
            && let Some(token) = token(call.form)
        {
            self.refused.push((token, call.at));
        }
    }
}

/// Whom a worker answers.
pub fn token(form: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(form).ok()?;
    body["taskToken"].as_str().map(str::to_owned)
}
