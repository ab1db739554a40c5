//! The figures of docs/reliability.md, made of what the tests of this folder go through.

use std::fmt::Write as _;

use sandbox::{executables::root, golden};

use super::{
    calls::{Calls, TOGETHER, plans},
    observer::Invariant,
    plan::KINDS,
    runbooks::Runbook,
    seeds::SEEDS,
    states::{self, WAYS, tasks},
};

#[tokio::test(start_paused = true)]
async fn the_figures_of_the_page_on_reliability_are_those_of_the_tests() {
    let mut table = String::from(
        "| run | calls | call sites | faults, one kind on one site | states × ways | runs |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    assert!(KINDS.iter().all(|kind| TOGETHER.iter().any(|kinds| kinds.contains(kind))));
    let (mut all_faults, mut all_runs) = (0, 0);
    for runbook in Runbook::ALL {
        let calls = Calls::of(runbook).await;
        let plans: Vec<_> = TOGETHER.iter().flat_map(|kinds| plans(runbook, &calls, kinds)).collect();
        let faults: usize = plans.iter().map(|plan| plan.faults.len()).sum();
        let tasks = tasks(runbook, &calls);
        let ways = tasks.len() * WAYS.len();
        let runs = plans.len() + states::runs(&tasks).len();
        let (made, sites): (u32, _) = (calls.sites.values().sum(), calls.sites.len());
        let name = runbook.name();
        writeln!(table, "| {name} | {made} | {sites} | {faults} | {ways} | {runs} |").unwrap();
        (all_faults, all_runs) = (all_faults + faults + ways, all_runs + runs);
    }
    let (kinds, invariants) = (KINDS.len(), Invariant::ALL.len());
    writeln!(
        table,
        "\nTogether {all_faults} faults of {kinds} kinds and three ways in {all_runs} runs, and {SEEDS} \
         runs by\nseeds, under {invariants} invariants."
    )
    .unwrap();
    golden::block(&root().join("docs/reliability.md"), "figures", &table);
    let list: String =
        Invariant::ALL.iter().map(|invariant| format!("* {}.\n", capital(invariant))).collect();
    golden::block(&root().join("docs/reliability.md"), "invariants", &list);
}

fn capital(invariant: &Invariant) -> String {
    let text = invariant.to_string();
    text[..1].to_uppercase() + &text[1..]
}
