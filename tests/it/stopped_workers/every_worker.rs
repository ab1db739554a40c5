//! Every worker of every runbook × everything that can become of its task: the run goes on with
//! another one, and what one worker has lost it changes no more. A new worker is covered by being
//! in the table of the workers. Model gear.

use std::time::Duration;

use local_aws::ecs::{End, Fault, Task};
use runbook::{state::kebab, worker::Ending};
use sandbox::{
    Options, Sandbox, environments, exports,
    faults::{self, Kind},
    orders::Shape,
    statemachine::{RUNBOOKS, source},
};
use serde_json::json;

use crate::{
    blue_green,
    harness::{Ended, World, calls, causes, ended, model, to_18},
    snapshot_export_model::{TONIGHT, at},
    snapshot_export_restore,
};

/// In the middle of a worker's work: in the model gear each takes 290 s.
const MIDDLE: Duration = Duration::from_secs(100);

/// Those that an upgrade comes to by Blue/Green alone.
const BLUE_GREEN: [&str; 2] = ["analyze-green", "switch-over"];

struct Place {
    sandbox: Sandbox,
    /// The worker, as its tasks' command names it.
    worker: String,
    runbook: &'static str,
}

impl Place {
    async fn of(state: &str) -> Self {
        let worker = kebab(state);
        let uses = |runbook: &&&str| source(runbook).unwrap().contains(&format!("\"{worker}\""));
        let runbook = RUNBOOKS.iter().find(uses).unwrap_or_else(|| panic!("no runbook uses {state}"));
        let sandbox = match *runbook {
            "daily-sync" => World::WHOLE.start(Options::model(1)).await.0,
            "snapshot-export" => snapshot_export_restore::world().await,
            "rehearse-upgrade" => {
                let sandbox = model(1, Shape::default()).await;
                environments::create_quarantine(&sandbox).await.unwrap();
                sandbox
            }
            _ if BLUE_GREEN.contains(&worker.as_str()) => blue_green::ready().await,
            _ => model(1, Shape::default()).await,
        };
        Self { sandbox, worker, runbook }
    }

    async fn start(&self) -> String {
        let input = match self.runbook {
            "daily-sync" => json!({ "sync": environments::SYNC }),
            "snapshot-export" => {
                exports::take_snapshot(&self.sandbox, at(TONIGHT)).await.unwrap();
                return exports::started(&self.sandbox).await.unwrap();
            }
            _ if BLUE_GREEN.contains(&self.worker.as_str()) => blue_green::by_blue_green(),
            _ => to_18(),
        };
        // The model's RunAnalyze finds an index of a changed collation in a run of that name.
        let name = if self.worker == "reindex-collations" { "drifted" } else { "faulty" };
        self.sandbox.start_execution(self.runbook, name, &input).await.unwrap()
    }

    async fn run(&self) -> Ended {
        ended(&self.sandbox, self.start().await).await
    }

    fn tasks(&self) -> Vec<Task> {
        let tasks = self.sandbox.ecs.tasks().into_iter();
        tasks.filter(|task| task.command.first() == Some(&self.worker)).collect()
    }

    /// How many workers the state needs when nothing is wrong: one of each target.
    fn usual(&self) -> usize {
        if self.worker == "prepare-target" { 2 } else { 1 }
    }

    /// The first of its tasks, and the one that has followed it.
    #[track_caller]
    fn first_and_next(&self) -> (Task, Task) {
        let mut tasks = self.tasks().into_iter();
        let first = tasks.next().expect("a worker was started");
        let next = tasks.find(|task| task.environment["INPUT"] == first.environment["INPUT"]);
        (first, next.expect("another one was started"))
    }

    #[track_caller]
    fn one_answer_each(&self, what: &str) {
        let said = calls(&self.sandbox, &self.worker, "SendTaskSuccess");
        assert_eq!(said, self.usual(), "{} × {what}: answers that Step Functions has taken", self.worker);
    }
}

/// One after another in the same run: the ASL starts a worker up to six times more.
#[tokio::test(start_paused = true)]
async fn a_worker_that_finds_no_room_or_ends_in_the_middle_is_followed_by_another() {
    let end = |exit_code| Fault::End(End { after: MIDDLE, exit_code, reason: None });
    let faults = [
        (Fault::Fail("RESOURCE:MEMORY".into()), None),
        (Fault::End(End::out_of_memory(MIDDLE)), Some("OutOfMemoryError")),
        (end(137), Some("exit code 137")),
        // SIGTERM that it does not hear, and no answer at all.
        (end(143), Some("exit code 143")),
        (end(0), Some("exit code 0")),
    ];
    for state in workers::STATES {
        let place = Place::of(state).await;
        // Of two targets that are prepared at the same time, both meet them.
        for (fault, _) in &faults {
            place.sandbox.ecs.lay(&place.worker, fault.clone());
        }
        let run = place.run().await.succeeded();
        place.one_answer_each("all that becomes of a task");
        let ends = faults.iter().filter_map(|(_, said)| *said).collect::<Vec<_>>();
        assert_eq!(place.tasks().len(), place.usual() + ends.len(), "{state}");
        let causes = causes(&place.sandbox, &run.arn, functions::fail_stopped_task::ERROR).await;
        assert_eq!(causes.len(), ends.len(), "{state}: {causes:?}");
        for said in ends {
            assert!(causes.iter().any(|cause| cause.contains(said)), "{state}: {said}: {causes:?}");
        }
        let (died, next) = place.first_and_next();
        let next = next.created_at.duration_since(died.stopping_at.unwrap()).as_secs();
        assert!((0..60).contains(&next), "{state}: {next} s to the next one");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_never_starts_or_too_late_is_followed_by_another_and_does_nothing() {
    for state in workers::STATES {
        let place = Place::of(state).await;
        for fault in [Fault::StartLate(Duration::from_secs(400)), Fault::NeverStart] {
            place.sandbox.ecs.lay(&place.worker, fault);
        }
        place.run().await.succeeded();
        place.one_answer_each("never, or too late");
        assert_eq!(place.tasks().len(), place.usual() + 2, "{state}");
        let (first, next) = place.first_and_next();
        let waited = next.created_at.duration_since(first.created_at).as_secs();
        assert!((300..360).contains(&waited), "{state}: another one after {waited} s");
        place.sandbox.clock.sleep(Duration::from_secs(600)).await;
        let late = place.tasks().remove(0);
        assert_eq!(late.exit_code, Some(Ending::Fenced.exit_code()), "{state}");
        let worked = late.stopping_at.unwrap().duration_since(late.started_at.unwrap());
        assert!(worked.as_secs() < 5, "{state}: it has worked for {worked}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_workers_with_one_token_one_is_heard_and_the_other_stops() {
    for state in workers::STATES {
        let place = Place::of(state).await;
        place.sandbox.ecs.lay(&place.worker, Fault::Twice);
        place.run().await.succeeded();
        place.one_answer_each("twice");
        let codes: Vec<_> = place.tasks().iter().filter_map(|task| task.exit_code).collect();
        let ended = |ending: Ending| codes.iter().filter(|code| **code == ending.exit_code()).count();
        // Of two that come to one switchover the one that only looks on may be heard: it says
        // NotReady, and another worker finds it done.
        let looked_on = if place.worker == "switch-over" { ended(Ending::Failed) } else { 0 };
        assert!(looked_on < 2, "{state}: {codes:?}");
        assert_eq!(ended(Ending::Fenced), 1, "{state}: {codes:?}");
        assert_eq!(codes.len(), place.usual() + 1 + looked_on, "{state}: {codes:?}");
        let switched = calls(&place.sandbox, &place.worker, "SwitchoverBlueGreenDeployment");
        assert!(switched < 2, "{state}: the switchover is begun {switched} times");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_run_is_over_stops_within_a_beat() {
    for state in workers::STATES {
        let place = Place::of(state).await;
        let arn = place.start().await;
        while place.tasks().first().is_none_or(|task| task.last_status != "RUNNING") {
            place.sandbox.clock.sleep(Duration::from_secs(5)).await;
        }
        place.sandbox.clock.sleep(MIDDLE).await;
        place.sandbox.sfn().stop_execution().execution_arn(&arn).send().await.unwrap();
        place.sandbox.clock.sleep(Duration::from_secs(45)).await;
        assert_eq!(place.tasks()[0].exit_code, Some(Ending::Fenced.exit_code()), "{state}");
        place.sandbox.clock.sleep(Duration::from_secs(600)).await;
        assert_eq!(calls(&place.sandbox, &place.worker, "SendTaskSuccess"), 0, "{state}");
    }
}

/// Each beat that is lost is asked for three times by the SDK.
fn lost_beats(worker: &str) -> faults::Fault {
    faults::Fault::once(Kind::TimeoutBefore, "states", "SendTaskHeartbeat").by(worker)
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_not_heard_stops_before_another_one_is_started() {
    for state in workers::STATES {
        // The first beat of all is the same for every worker.
        for after in if *state == "RunAnalyze" { 0..2 } else { 1..2 } {
            let place = Place::of(state).await;
            let times = 90 * u32::try_from(place.usual()).unwrap();
            place.sandbox.gateway.lay(lost_beats(&place.worker).after(after).times(times));
            let run = place.run().await.succeeded();
            place.one_answer_each("not heard");
            let (first, next) = place.first_and_next();
            // Where not even the first was heard, Step Functions has given up before.
            let code = if after == 0 { Ending::Fenced } else { Ending::Failed };
            assert_eq!(first.exit_code, Some(code.exit_code()), "{state}");
            let worked = first.stopping_at.unwrap().duration_since(first.started_at.unwrap()).as_secs();
            assert!((265..290).contains(&worked), "{state}: it stopped after {worked} s");
            assert!(first.stopping_at <= next.started_at, "{state}: two are at work");
            let said = causes(&place.sandbox, &run.arn, "NotReady").await;
            let said = said.iter().filter(|cause| cause.contains("no heartbeat of this one"));
            assert!(said.count() >= after as usize, "{state}");
        }
    }
}

/// A heartbeat that is lost now and then is nothing.
#[tokio::test(start_paused = true)]
async fn a_worker_that_loses_some_heartbeats_works_on() {
    let place = Place::of("RunAnalyze").await;
    place.sandbox.gateway.lay(lost_beats(&place.worker).after(2).times(12));
    place.run().await.succeeded();
    assert_eq!(place.tasks().len(), place.usual());
}
