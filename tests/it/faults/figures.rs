//! The figures of docs/reliability.md, made of what the tests of this folder go through.

use std::fmt::Write as _;

use sandbox::{executables::root, golden};

use super::{
    calls::{Calls, plans},
    observer::Invariant,
    plan::KINDS,
    runbooks::Runbook,
    seeds::SEEDS,
    states::{WAYS, entered},
};

#[tokio::test(start_paused = true)]
async fn the_figures_of_the_page_on_reliability_are_those_of_the_tests() {
    let mut table = String::from(
        "| run | calls | call sites | × kinds of fault | tasks | × ways | runs |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let mut all = 0;
    for runbook in Runbook::ALL {
        let calls = Calls::of(runbook).await;
        let with_faults: usize = KINDS.iter().map(|kind| plans(runbook, &calls, *kind).len()).sum();
        let tasks = entered(runbook, &calls).len();
        let runs = with_faults + tasks * WAYS.len();
        let (made, sites): (u32, _) = (calls.sites.values().sum(), calls.sites.len());
        let name = runbook.name();
        writeln!(
            table,
            "| {name} | {made} | {sites} | {with_faults} | {tasks} | {} | {runs} |",
            tasks * WAYS.len()
        )
        .unwrap();
        all += runs;
    }
    let (kinds, invariants) = (KINDS.len(), Invariant::ALL.len());
    writeln!(
        table,
        "\nTogether {all} runs with one fault, of {kinds} kinds, and {SEEDS} with two to five, each under\n\
         {invariants} invariants."
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
