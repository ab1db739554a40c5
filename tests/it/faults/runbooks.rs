//! The runs that faults are laid on: each runbook's world, how a run of it begins, how a person
//! goes on after a failure, what a good end is and what a failed run leaves.

use std::{collections::BTreeSet, convert::Infallible, time::Duration};

use runbook::major_upgrade::{Question, question_key};
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION},
    environments, exports,
    orders::{self, Shape},
    production,
    rds::{Behaviour, EventDelivery},
    sandbox::BUCKET,
};
use serde_json::json;

use super::observer::Subject;
use crate::{
    another_account, blue_green,
    daily_sync_model::{minutes, published},
    harness::{self, Ended, World, ended, redrive, to_18, versions},
    rehearsal,
    snapshot_export_model::{TONIGHT, at},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Runbook {
    Upgrade,
    /// A person is asked, a window and a Change Calendar are waited for, and a collation has
    /// changed.
    GuardedUpgrade,
    /// Logical replication is off at first.
    BlueGreen,
    /// Of an upgrade, on a clone.
    Rehearsal,
    /// Two targets: one is swapped by name, one by secret.
    Sync,
    /// What another account's sync has sanitised.
    SyncOfSync,
    /// Started by its snapshot's event.
    Export,
    /// Rows are counted on a restore.
    CountedExport,
    /// What production has shared.
    SharedExport,
    /// A fleet of one, which is not rehearsed.
    Fleet,
}

use Runbook::{
    BlueGreen, CountedExport, Export, Fleet, GuardedUpgrade, Rehearsal, SharedExport, Sync, SyncOfSync,
    Upgrade,
};

/// When the window of the guarded upgrade opens: the run begins an hour before.
pub const OPENS: &str = "2026-11-25T04:00:00Z";

/// The model's RunAnalyze finds a changed collation where the run's name says so.
const GUARDED: &str = "drifted";

impl Runbook {
    pub const ALL: [Self; 10] = [
        Upgrade,
        GuardedUpgrade,
        BlueGreen,
        Rehearsal,
        Fleet,
        Sync,
        SyncOfSync,
        Export,
        CountedExport,
        SharedExport,
    ];

    /// All of them, or the one that FAULT_RUN names: for whoever works on one.
    pub fn chosen() -> Vec<Self> {
        let named = std::env::var("FAULT_RUN").ok();
        let is_chosen = |run: &Self| named.as_deref().is_none_or(|named| named == run.name());
        Self::ALL.into_iter().filter(is_chosen).collect()
    }

    /// The world that comes to all other calls and states of this one, too: one at a time they meet
    /// each fault there alone. Several at a time meet all of them here, too.
    pub fn adds_to(self) -> Option<Self> {
        matches!(self, GuardedUpgrade | BlueGreen | Rehearsal | Fleet).then_some(Upgrade)
    }

    pub fn machine(self) -> &'static str {
        match self {
            Upgrade | GuardedUpgrade | BlueGreen => "major-upgrade",
            Rehearsal => "rehearse-upgrade",
            Fleet => "upgrade-fleet",
            Sync | SyncOfSync => "daily-sync",
            Export | CountedExport | SharedExport => "snapshot-export",
        }
    }

    /// As a plan writes it.
    pub fn name(self) -> &'static str {
        match self {
            Upgrade => "major-upgrade",
            GuardedUpgrade => "major-upgrade-guarded",
            BlueGreen => "major-upgrade-blue-green",
            Rehearsal => "rehearse-upgrade",
            Fleet => "upgrade-fleet",
            Sync => "daily-sync",
            SyncOfSync => "daily-sync-of-a-sync",
            Export => "snapshot-export",
            CountedExport => "snapshot-export-counted",
            SharedExport => "snapshot-export-shared",
        }
    }

    pub async fn world(self) -> Sandbox {
        let options = Options::model(1);
        let sandbox = match self {
            Upgrade | GuardedUpgrade | Fleet => harness::model(1, Shape::default()).await,
            BlueGreen => blue_green::world(Shape::default()).await,
            Rehearsal => {
                let sandbox = harness::model(1, Shape { maintenance: false, ..Shape::default() }).await;
                environments::create_quarantine(&sandbox).await.unwrap();
                sandbox
            }
            Sync => World::WHOLE.start(options).await.0,
            SyncOfSync => another_account::world_with_their_snapshot(options).await,
            Export | CountedExport | SharedExport => self.exports_world(options).await,
        };
        sandbox.rds.behave(hasten);
        if self == BlueGreen {
            sandbox.rds.plant_proxy("app", orders::CLUSTER).unwrap();
        }
        if self == GuardedUpgrade {
            sandbox.ssm.plant_calendar("releases", vec![(at(OPENS), at("2026-12-24T00:00:00Z"))]);
        }
        sandbox
    }

    async fn exports_world(self, options: Options) -> Sandbox {
        let sandbox = Sandbox::start(Options { roles: vec![exports::role().unwrap()], ..options }).await;
        let sandbox = sandbox.expect("the sandbox starts");
        if self == SharedExport {
            production::create(&sandbox).await.unwrap();
        }
        orders::create(&sandbox, Shape { maintenance: false, ..Shape::default() }).await.unwrap();
        let policy = match self {
            CountedExport => {
                environments::create_quarantine(&sandbox).await.unwrap();
                Some(exports::policy_that_counts().unwrap())
            }
            SharedExport => {
                exports::share_from_production(&sandbox).await.unwrap();
                sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Missing);
                Some(exports::policy_of_three().unwrap())
            }
            _ => None,
        };
        exports::create(&sandbox, policy.as_deref()).await.unwrap();
        sandbox
    }

    /// What the observer has to know of the world.
    pub fn subject(self) -> Subject {
        let orders_of = |account| (account, "orders");
        let (read_only, targets) = match self {
            Upgrade | GuardedUpgrade | BlueGreen | Fleet => (vec![], false),
            Sync => (vec![orders_of(PRODUCTION)], true),
            SyncOfSync => (vec![orders_of(PRODUCTION)], false),
            Export | CountedExport | Rehearsal => (vec![orders_of(ACCOUNT)], false),
            SharedExport => (vec![orders_of(PRODUCTION), orders_of(ACCOUNT)], false),
        };
        let folder = match self {
            Export | CountedExport => Some(exports::FOLDER),
            SharedExport => Some("exports/shared/"),
            _ => None,
        };
        let upgraded = matches!(self, Upgrade | GuardedUpgrade | Fleet);
        let not_before = (self == GuardedUpgrade).then(|| at(OPENS));
        Subject { read_only, yesterdays_targets: targets, upgraded, not_before, folder }
    }

    /// The first run.
    pub async fn run(self, sandbox: &Sandbox) -> Ended {
        if matches!(self, Export | CountedExport) {
            exports::take_snapshot(sandbox, at(TONIGHT)).await.unwrap();
            return ended(sandbox, exports::started(sandbox).await.unwrap()).await;
        }
        self.start(sandbox, if self == GuardedUpgrade { GUARDED } else { "first" }).await
    }

    async fn start(self, sandbox: &Sandbox, name: &str) -> Ended {
        let input = match self {
            Upgrade | Rehearsal => to_18(),
            BlueGreen => blue_green::by_blue_green(),
            GuardedUpgrade => json!({
                "cluster": orders::CLUSTER,
                "target": "18",
                "approval": true,
                "window": "04:00-22:00 UTC",
                "changeCalendars": ["releases"],
            }),
            Fleet => json!({ "clusters": [orders::CLUSTER], "target": "18", "rehearse": false }),
            Sync => json!({ "sync": environments::SYNC }),
            SyncOfSync => json!({ "sync": "orders-test" }),
            Export | CountedExport | SharedExport => json!({ "export": "shared" }),
        };
        let arn = sandbox.start_execution(self.machine(), name, &input).await.unwrap();
        self.answered(sandbox, ended(sandbox, arn)).await
    }

    /// Its end, with somebody there who says yes where somebody is asked.
    async fn answered(self, sandbox: &Sandbox, ended: impl Future<Output = Ended>) -> Ended {
        if self != GuardedUpgrade {
            return ended.await;
        }
        tokio::select! {
            ended = ended => ended,
            never = says_yes(sandbox) => match never {},
        }
    }

    /// What the error's text and the runbook's README tell a person to do: redrive, or, where a
    /// failed run has cleaned up after itself, start again.
    pub async fn again(self, sandbox: &Sandbox, failed: &Ended, attempt: usize) -> Ended {
        match self {
            Sync | SyncOfSync | Rehearsal | Fleet => self.start(sandbox, &format!("again-{attempt}")).await,
            Upgrade | GuardedUpgrade | BlueGreen | Export | CountedExport | SharedExport => {
                self.answered(sandbox, redrive(sandbox, failed)).await
            }
        }
    }

    /// What a failed run must have left as it was, or taken away.
    pub async fn after_failure(self, sandbox: &Sandbox, failed: &Ended) {
        match self {
            // What DeleteClone could not delete goes with the next one.
            Upgrade | GuardedUpgrade | BlueGreen | Rehearsal | Fleet | Export | SharedExport => {}
            Sync | SyncOfSync => {
                let left = left(sandbox);
                // Without a look there are no names, and the person knows that nobody has looked.
                let nobody_looked = failed.cause.contains("CleanUp failed");
                let is_named = |thing: &&String| nobody_looked || failed.cause.contains(thing.as_str());
                let unnamed: Vec<&String> = left.iter().filter(|thing| !is_named(thing)).collect();
                assert!(unnamed.is_empty(), "left, and not named: {unnamed:?}: {}", failed.cause);
                // The other environment has had no target before.
                if self == Sync {
                    let led = published(sandbox).await.len();
                    assert_eq!(led, 2, "a target leads nowhere: {}", failed.cause);
                }
            }
            CountedExport => {
                minutes(sandbox, 30).await;
                assert_eq!(left(sandbox), Vec::<String>::new(), "half an hour after the failure");
            }
        }
    }

    /// What a run that succeeded has made.
    pub async fn good_end(self, sandbox: &Sandbox) {
        match self {
            Upgrade | GuardedUpgrade | Fleet => assert_eq!(versions(sandbox).await, ["18.4", "18.4", "18.4"]),
            BlueGreen => {
                assert_eq!(versions(sandbox).await, ["18.4", "18.4", "18.4"]);
                // One green was made, once it has taken the name, and the way back is there.
                assert_eq!(blue_green::clusters(sandbox).await, ["orders", "orders-old1"]);
            }
            Sync => {
                let led = published(sandbox).await;
                let run = |id: &String| {
                    sandbox.rds.look(|world| world.clusters.get(id)?.tags.get("execution").cloned())
                };
                let runs: Vec<_> = led.values().filter_map(run).collect();
                assert!(runs.len() == 2 && !runs.iter().any(|run| run == "yesterday"), "led to {runs:?}");
                assert_eq!(left(sandbox), Vec::<String>::new());
            }
            Rehearsal => {
                assert_eq!(versions(sandbox).await, ["16.14", "16.14", "16.14"]);
                assert_eq!(rehearsal::left(sandbox).await, BTreeSet::new());
                assert_eq!(rehearsal::of_the_cluster(sandbox), Vec::<String>::new());
                let records = sandbox.s3.list(BUCKET, "upgrades/").into_iter();
                assert!(records.filter(|key| key.ends_with("/rehearsal.json")).count() == 1);
            }
            SyncOfSync => {
                assert!(published(sandbox).await.contains_key(environments::DEV));
                assert_eq!(left(sandbox), Vec::<String>::new());
            }
            Export | CountedExport => {
                assert_eq!(crate::snapshot_export_model::manifest(sandbox).totals.rows, 190);
                let tasks = sandbox.rds.look(|world| world.exports.len());
                assert_eq!(tasks, 1, "it is exported once");
                if self == CountedExport {
                    minutes(sandbox, 30).await;
                    assert_eq!(left(sandbox), Vec::<String>::new());
                }
            }
            SharedExport => {
                assert!(sandbox.s3.get(exports::BUCKET, "exports/shared/latest.json").is_some());
            }
        }
    }
}

/// A person who says yes within a minute, however often they are asked.
async fn says_yes(sandbox: &Sandbox) -> Infallible {
    let mut answered = String::new();
    loop {
        sandbox.clock.sleep(Duration::from_secs(61)).await;
        let asked = sandbox.s3.get(BUCKET, &question_key(GUARDED));
        let asked = asked.and_then(|question| serde_json::from_slice::<Question>(&question).ok());
        let Some(Question { token, .. }) = asked.filter(|asked| asked.token != answered) else { continue };
        let yes = sandbox.sfn().send_task_success().task_token(&token).output(r#"{"by": "Ada"}"#);
        if let Err(error) = yes.send().await {
            let error = error.into_service_error();
            assert!(error.is_task_timed_out(), "a question that another one has replaced: {error:?}");
        }
        answered = token;
    }
}

/// What RDS takes its time for comes after a few looks, not after dozens that are all the same: a
/// run costs a third.
fn hasten(behaviour: &mut Behaviour) {
    let seconds = Duration::from_secs;
    behaviour.maintenance = seconds(40);
    behaviour.maintenance_staleness = seconds(30);
    behaviour.create_instance = seconds(40);
    behaviour.snapshot = seconds(40);
    behaviour.restore = seconds(40);
    behaviour.delete = seconds(20);
    behaviour.start_stop = seconds(20);
    behaviour.upgrade_prechecks = seconds(20);
    behaviour.upgrade_snapshot = seconds(20);
    behaviour.upgrade = seconds(60);
    behaviour.reader_lag = seconds(30);
    behaviour.blue_green.begin = seconds(10);
    behaviour.blue_green.late_instance = seconds(20);
    behaviour.blue_green.after_renames = seconds(10);
}

/// What runs of ours have made for themselves and not taken away.
fn left(sandbox: &Sandbox) -> Vec<String> {
    let in_production = production::service(sandbox).unwrap();
    let copies = in_production.look(|world| {
        let ours = world.snapshots.values().filter(|snapshot| snapshot.id.starts_with("sync-"));
        ours.map(|snapshot| snapshot.id.clone()).collect::<Vec<_>>()
    });
    let here = sandbox.rds.look(|world| {
        let unused = |role: &String| role == "quarantine" || role == "fresh";
        let clusters = world.clusters.values().filter(|cluster| cluster.tags.get("role").is_some_and(unused));
        let snapshots = world.snapshots.keys().filter(|id| id.starts_with("sanitized-")).cloned();
        clusters.map(|cluster| cluster.id.clone()).chain(snapshots).collect::<Vec<_>>()
    });
    copies.into_iter().chain(here).collect()
}
