//! What a fleet is about: a line for each cluster.

use maud::{Markup, html};

use super::{MOST, code, part, short, table, text};
use crate::report_run::{
    report::Kind,
    sections::{Fleet, FleetRun},
    words::duration,
};

pub fn clusters(fleet: &Fleet) -> Markup {
    let (taken, left_out): (Vec<_>, Vec<_>) =
        fleet.clusters.iter().take(MOST).partition(|one| one.left_out.is_none());
    let rows: Vec<Vec<Markup>> = taken
        .into_iter()
        .map(|one| {
            vec![
                html! { (code(&one.cluster)) br; small { (short(one.from.as_deref().unwrap_or_default())) } },
                html! { @if let Some(wave) = one.wave { span.number { (wave) } } },
                run(one.rehearsal.as_ref()),
                run(one.upgrade.as_ref()),
            ]
        })
        .collect();
    let left_out: Vec<Vec<Markup>> = left_out
        .into_iter()
        .map(|one| vec![code(&one.cluster), text(one.left_out.as_deref().unwrap_or_default())])
        .collect();
    html! {
        @if !rows.is_empty() {
            (part("fleet", "Clusters", html! {
                p.about { (fleet.words()) ". Each run has a report of its own, under its name." }
                (table("Clusters of the fleet, failed ones first",
                    &["Cluster", "Wave", "Rehearsal", "Upgrade"], &rows))
            }))
        }
        @if !left_out.is_empty() {
            (part("left-out", "Left out", html! {
                (table("Clusters that were left out", &["Cluster", "Why"], &left_out))
            }))
        }
    }
}

fn run(run: Option<&FleetRun>) -> Markup {
    let Some(run) = run else { return html! {} };
    let sign = match run.kind {
        Kind::Succeeded => "✔ ",
        Kind::Running => "▶ ",
        _ => "✖ ",
    };
    let name = run.execution.rsplit(':').next().unwrap_or_default();
    html! {
        b { (sign) } (duration(run.seconds)) br;
        @if let Some(said) = &run.said { (short(said)) br; }
        small {
            @match run.url.as_ref().filter(|url| url.starts_with("https://")) {
                Some(url) => a href=(url) rel="noreferrer" { (code(name)) },
                None => (code(name)),
            }
        }
    }
}
