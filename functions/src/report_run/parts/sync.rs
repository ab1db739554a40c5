//! What a sync is about: its targets, and what was masked, cut and attested.

use maud::{Markup, html};

use super::{MOST, amount, code, part, short, table, text};
use crate::report_run::{
    html::class,
    report::{Kind, Target},
    sections::{Attestation, Masking, Wires},
    words::{count, cut, date_and_time, duration, number},
};

pub fn targets(targets: &[Target]) -> Markup {
    if targets.is_empty() {
        return html! {};
    }
    part(
        "targets",
        "Targets",
        html! {
            ul.cards {
                @for target in targets.iter().take(MOST) {
                    li.card.(class(target.kind)) {
                        h3 { (cut(&target.name, 150)) }
                        p { (target_said(target)) }
                        dl {
                            @if let Some(endpoint) = &target.endpoint { dt { "Endpoint" } dd { code { (short(endpoint)) } } }
                            @if let Some(published) = target.published { dt { "Since" } dd { (date_and_time(published)) } }
                            @if let Some(seconds) = target.downtime { dt { "Name led nowhere for" } dd { (duration(seconds)) } }
                            @for table in target.carried.iter().take(MOST) {
                                dt { "Kept table " code { (short(&table.table)) } } dd { (count(table.rows, "row", "rows")) }
                            }
                            @if !target.kept.is_empty() { dt { "Former copies that stay" } dd { (short(&target.kept.join(", "))) } }
                            @if !target.deleted.is_empty() { dt { "Former copies deleted" } dd { (short(&target.deleted.join(", "))) } }
                        }
                    }
                }
            }
        },
    )
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
                (duration(i64::try_from(masking.seconds).unwrap_or(i64::MAX))) " (" (number(per_second)) " a second), "
                (count(masking.tables, "table", "tables")) " masked. Here are rules and counts, never a value."
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
            p.about { (count(wires.cut.values().sum::<u64>(), "wire", "wires")) " cut: nothing in the copy logs in, connects, runs or replicates by itself." }
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
