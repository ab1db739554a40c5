//! What a sync is about: its targets, and what was masked, cut and attested.

use maud::{Markup, html};
use policy::Swap;

use super::{MOST, amount, code, long, part, short, table, text};
use crate::report_run::{
    html::class,
    report::{Carried, Kind, Target},
    sections::{Attestation, Journal, Masking, Wires},
    words::{count, cut, date_and_time, duration, number},
};

pub fn targets(targets: &[Target]) -> Markup {
    if targets.is_empty() {
        return html! {};
    }
    let cards = html! {
        ul.cards {
            @for target in targets.iter().take(MOST) {
                li.card.(class(target.kind)) {
                    h3 { (cut(&target.name, 150)) }
                    p { (target_said(target)) }
                    dl { (facts(target)) }
                }
            }
        }
    };
    part("targets", "Targets", cards)
}

fn facts(target: &Target) -> Markup {
    let said = |what: &str, value: Markup| html! { dt { (what) } dd { (value) } };
    let names = |what: &str, names: &[String]| match names {
        [] => html! {},
        names => said(what, text(&names.join(", "))),
    };
    html! {
        @if let Some(endpoint) = &target.endpoint { (said("Endpoint", code(endpoint))) }
        @if let Some(since) = target.published { (said("Since", text(&date_and_time(since)))) }
        @if let Some(seconds) = target.downtime { (said("Name led nowhere for", text(&duration(seconds)))) }
        @for Carried { table, rows } in target.carried.iter().take(MOST) {
            (said(&format!("Kept table {}", short(table)), text(&count(*rows, "row", "rows"))))
        }
        (names("Former copies that stay", &target.kept))
        (names("Former copies deleted", &target.deleted))
        (names("Former clusters left for their owner", &target.not_ours))
    }
}

/// What each swap has renamed, and the way back.
pub fn journal(targets: &[Target]) -> Markup {
    let swaps = || targets.iter().take(MOST).filter_map(|target| Some((target, target.swap.as_ref()?)));
    let rows: Vec<Vec<Markup>> = swaps().map(|(target, swap)| swapped(target, swap)).collect();
    if rows.is_empty() {
        return html! {};
    }
    let heads = ["Target", "Swap began", "The new cluster", "The former cluster", "Kept"];
    part(
        "journal",
        "Swap journal",
        html! {
            (table("What each swap has renamed", &heads, &rows))
            @for (target, swap) in swaps() {
                @if let Some(back) = &swap.back {
                    h3 { "The former data of " (cut(&target.name, 150)) " back" }
                    pre.command { code { (short(back)) } }
                }
            }
            @if swaps().any(|(_, swap)| swap.back.is_some()) {
                p { "What to do after it says the runbook's README, under Yesterday's data is wanted back." }
            }
        },
    )
}

fn swapped(target: &Target, swap: &Journal) -> Vec<Markup> {
    let to = |from: &str, to: &str| html! { (code(from)) " → " (code(to)) };
    vec![
        text(&target.name),
        text(&date_and_time(swap.began)),
        match swap.by {
            Swap::Rename => to(&swap.fresh, &target.name),
            Swap::Secret => html! { (code(&swap.fresh)) ", found by the secret" },
        },
        match (&swap.former, swap.by) {
            (Some(former), Swap::Rename) => to(&target.name, former),
            (Some(former), Swap::Secret) => code(former),
            (None, _) => text("none, or deleted"),
        },
        html! {
            @if let Some(until) = swap.kept_until {
                "until " (date_and_time(until)) ", as one of the newest " (number(swap.kept_at_most))
            }
        },
    ]
}

fn target_said(target: &Target) -> Markup {
    html! {
        @match target.kind {
            Kind::Succeeded if target.published.is_some() => "✔ leads to this run's data",
            Kind::Succeeded => "✔ leads to the data that it led to before",
            Kind::Running => "▶ under way",
            _ => {
                "✖ leads to the data that it led to before"
                @if let Some(error) = &target.error { ": " b { (short(error)) } }
                @if let Some(cause) = &target.cause { br; (short(cause)) }
            },
        }
    }
}

pub fn masked(masking: &Masking) -> Markup {
    let rows: Vec<Vec<Markup>> = masking
        .columns
        .iter()
        .map(|one| {
            vec![
                text(&one.database),
                code(&one.table),
                code(&one.column),
                text(&one.rule),
                amount(one.values),
            ]
        })
        .collect();
    let per_second = masking.rows / masking.seconds.max(1);
    part(
        "masking",
        "Masking",
        html! {
            p.about {
                (count(masking.rows, "row", "rows")) " made again in "
                (long(masking.seconds)) " (" (number(per_second)) " a second), "
                (count(masking.tables, "table", "tables")) " masked. Rules and counts, never a value:"
            }
            @if !rows.is_empty() {
                (table("Columns that were masked", &["Database", "Table", "Column", "Rule", "Values"], &rows))
            }
        },
    )
}

pub fn cut_wires(wires: &Wires) -> Markup {
    let rows: Vec<Vec<Markup>> = wires.cut.iter().map(|(kind, cut)| vec![text(kind), amount(*cut)]).collect();
    let kept: Vec<Vec<Markup>> = wires
        .kept
        .iter()
        .map(|one| {
            vec![
                text(&one.kind),
                text(one.database.as_deref().unwrap_or("the cluster")),
                code(&one.object),
                text(&one.reason),
            ]
        })
        .collect();
    part(
        "wires",
        "Live wires",
        html! {
            p.about {
            (count(wires.cut.values().sum::<u64>(), "wire", "wires"))
            " cut: nothing in the copy logs in, connects, runs or replicates by itself."
        }
            @if !rows.is_empty() { (table("Live wires that were cut", &["Kind", "Cut"], &rows)) }
            @if !kept.is_empty() {
                h3 { "Kept, because the policy says so" }
                (table("Live wires that were kept", &["Kind", "Database", "Object", "Reason"], &kept))
            }
        },
    )
}

pub fn attested(attestation: &Attestation) -> Markup {
    let rows: Vec<Vec<Markup>> =
        attestation.counts.iter().map(|(name, count)| vec![text(&spaced(name)), amount(*count)]).collect();
    part(
        "attestation",
        "Attestation",
        html! {
            p.about { "✔ " (short(&attestation.summary)) "." }
            @if !rows.is_empty() { (table("What was counted", &["Counted", "Number"], &rows)) }
            p { "Kept as " code { (short(&attestation.key)) } " in the run bucket." }
        },
    )
}

/// `liveWires` as `live wires`.
fn spaced(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
