//! Several faults at a time, by seeds: any number with FAULT_SEEDS, one with FAULT_SEED, and one
//! line that a failure was shrunk to with FAULT_PLAN (CONTRIBUTING.md).

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sandbox::faults::Kind;

use super::{
    calls::{Calls, may_meet},
    driver::{Wrong, times},
    plan::{KINDS, Plan, Planned},
    runbooks::Runbook,
};

/// How many there are when nobody asks for more.
pub const SEEDS: u64 = 60;

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}")))
}

/// The runbooks take turns.
fn turn(seed: u64) -> Runbook {
    let turns = u64::try_from(Runbook::ALL.len()).unwrap();
    Runbook::ALL[usize::try_from(seed % turns).unwrap()]
}

/// Two to five faults, wherever a clean run calls.
fn plan(runbook: Runbook, calls: &Calls, seed: u64) -> Plan {
    let mut random = StdRng::seed_from_u64(seed);
    let sites: Vec<_> = calls.sites.iter().collect();
    let fault = |random: &mut StdRng| {
        let (site, count) = sites.choose(random).expect("there are calls");
        let may_be = |kind: &&Kind| match **kind {
            Kind::Stale => calls.looks.contains_key(site),
            kind => may_meet(site, kind),
        };
        let kinds: Vec<Kind> = KINDS.iter().filter(may_be).copied().collect();
        let kind = *kinds.choose(random).expect("there are kinds");
        let after = if random.random() { 0 } else { random.random_range(0..**count) };
        let times = if random.random() { times(kind, site) } else { 1 };
        Planned { kind, site: (*site).clone(), after, times }
    };
    let count = random.random_range(2..=5);
    Plan { runbook, faults: (0..count).map(|_| fault(&mut random)).collect() }
}

/// In a runtime of its own, whose time stands still while anything is to be done.
fn try_plan(plan: &Plan) -> Result<(), Wrong> {
    in_virtual_time(async { plan.try_whole().await.map(drop) })
}

fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().unwrap().block_on(work)
}

/// Takes away, one by one, the faults without which it still fails.
fn shrunk(mut plan: Plan, mut wrong: Wrong) -> (Plan, Wrong) {
    let mut index = 0;
    while index < plan.faults.len() {
        let mut less = plan.clone();
        less.faults.remove(index);
        match try_plan(&less) {
            Err(still) => (plan, wrong) = (less, still),
            Ok(()) => index += 1,
        }
    }
    (plan, wrong)
}

fn fails(which: &str, plan: Plan, wrong: Wrong) -> String {
    let (plan, Wrong { what, trace }) = shrunk(plan, wrong);
    format!("{which}: {what}\n{}\n{trace}", plan.command())
}

fn several_faults(runbook: Runbook) {
    if let Some(plan) = variable::<Plan>("FAULT_PLAN") {
        if plan.runbook == runbook
            && let Err(wrong) = try_plan(&plan)
        {
            panic!("{}", fails("the plan", plan, wrong));
        }
        return;
    }
    let one = variable::<u64>("FAULT_SEED");
    let seeds = one.map_or(0..variable("FAULT_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let calls = in_virtual_time(Calls::of(runbook));
    let mut failed = Vec::new();
    for seed in seeds.filter(|seed| turn(*seed) == runbook) {
        let plan = plan(runbook, &calls, seed);
        if let Err(wrong) = try_plan(&plan) {
            failed.push(fails(&format!("seed {seed}"), plan, wrong));
            // What a later change of the product meets is seen at once; hours of it say no more.
            assert!(failed.len() < 10, "{}", failed.join("\n\n"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// A test for each of these runbooks, and what they are.
macro_rules! tried {
    ($(#[test] fn $test:ident() { $runbook:ident })*) => {
        $(
            #[test]
            fn $test() {
                several_faults(Runbook::$runbook);
            }
        )*

        const TRIED: &[Runbook] = &[$(Runbook::$runbook),*];
    };
}

tried! {
    #[test]
    fn several_faults_at_a_time_do_no_harm_to_an_upgrade() { Upgrade }
    #[test]
    fn several_faults_at_a_time_do_no_harm_to_an_upgrade_that_asks_and_waits() { GuardedUpgrade }
    #[test]
    fn several_faults_at_a_time_do_no_harm_to_an_upgrade_by_blue_green() { BlueGreen }
    #[test]
    fn several_faults_at_a_time_do_no_harm_to_a_sync() { Sync }
    #[test]
    fn several_faults_at_a_time_do_no_harm_to_a_sync_of_what_is_sanitised() { SyncOfSync }
    #[test]
    fn several_faults_at_a_time_do_no_harm_to_an_export() { Export }
    #[test]
    fn several_faults_at_a_time_do_no_harm_to_an_export_that_counts() { CountedExport }
    #[test]
    fn several_faults_at_a_time_do_no_harm_to_an_export_of_what_is_shared() { SharedExport }
    #[test]
    fn several_faults_at_a_time_do_no_harm_to_a_rehearsal() { Rehearsal }
    #[test]
    fn several_faults_at_a_time_do_no_harm_to_a_fleet() { Fleet }
}

/// A runbook without a test would have its seeds, and nobody would try them.
#[test]
fn every_runbook_takes_its_turn() {
    for runbook in Runbook::ALL {
        assert!(TRIED.contains(&runbook), "no test runs the seeds of {runbook:?}");
    }
}

#[test]
fn a_seed_gives_the_same_plan_and_a_failure_is_shrunk_to_the_faults_that_it_needs() {
    let calls = in_virtual_time(Calls::of(Runbook::Export));
    let (first, again) = (plan(Runbook::Export, &calls, 3), plan(Runbook::Export, &calls, 3));
    assert_eq!(first, again);
    // A function that always dies is what no run gets through; throttled once is nothing.
    let dies = "KillBefore@export-snapshot/rds:StartExportTask+0x1000";
    let line = format!(
        "snapshot-export Throttle@select-export/s3:GetObject+0x1 {dies} \
         Throttle@publish-export/s3:PutObject+0x1"
    );
    let plan: Plan = line.parse().unwrap();
    let wrong = try_plan(&plan).unwrap_err();
    let said = fails("the plan", plan, wrong);
    assert!(said.contains(&format!("FAULT_PLAN='snapshot-export {dies}'")), "{said}");
    assert!(
        said.contains("again and again") && said.contains("export-snapshot StartExportTask 504"),
        "{said}"
    );
}
