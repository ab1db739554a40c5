//! The parts of the page below the picture: what the runbook is about. A part that has nothing to
//! say is not there.

use maud::{Markup, html};
use runbook::{Finding, Level};

use super::{
    report::Report,
    words::{cut, date_and_time, duration, money, number, time},
};

mod export;
mod fleet;
mod rehearsal;
mod sync;
mod upgrade;

/// Of a name, a reason or a remedy.
const LONGEST: usize = 1500;
/// Rows of a table that are seen at once; the others are a click away.
const FIRST: usize = 12;
/// Of a list that somebody else made longer than a page can be.
const MOST: usize = 1000;

pub fn all(report: &Report) -> Markup {
    html! {
        (findings(&report.findings))
        (sync::targets(&report.targets))
        (sync::journal(&report.targets))
        (list("left", "What was left behind", "Not removable, or yours to decide.", &report.left))
        (list("warnings", "Worth a look", "No reason to fail.", &report.warnings))
        @if let Some(fleet) = &report.fleet { (fleet::clusters(fleet)) }
        (downtime(report))
        @if let Some(switchover) = &report.switchover { (upgrade::switchover(switchover)) }
        @if let Some(rehearsed) = &report.rehearsal { (rehearsal::expected(rehearsed)) }
        @if let Some(plans) = &report.plans { (rehearsal::plans(plans)) }
        @if let Some(analyzed) = &report.analyzed { (upgrade::statistics(analyzed)) }
        (upgrade::extensions(&report.extensions))
        (upgrade::parameters(&report.parameters))
        @if let Some(rows) = &report.rows { (upgrade::rows_of(rows)) }
        @if let Some(masking) = &report.masking { (sync::masked(masking)) }
        @if let Some(wires) = &report.wires { (sync::cut_wires(wires)) }
        @if let Some(attestation) = &report.attestation { (sync::attested(attestation)) }
        @if let Some(export) = &report.export { (export::exported(export)) }
        (copies(report))
        @if let Some(terraform) = &report.terraform {
            (part("terraform", "For Terraform", html! {
                p { "Paste it, and the next " code { "terraform plan" } " is empty." }
                pre { code { (cut(terraform, 20_000)) } }
            }))
        }
        (cost(report))
        (list("missing", "Not in this report", "It could not be read.", &report.missing))
        (part("more", "Where to look", html! {
            ul.links {
                @for link in report.links.iter().filter(|link| link.url.starts_with("https://")) {
                    li { a href=(link.url) rel="noreferrer" { (cut(&link.title, 150)) } }
                }
            }
            details { summary { "The input" } pre { code { (cut(&format!("{:#}", report.input), 20_000)) } } }
        }))
    }
}

fn part(id: &str, title: &str, content: Markup) -> Markup {
    html! { section aria-labelledby=(id) { h2 id=(id) { (title) } (content) } }
}

fn short(text: &str) -> String {
    cut(text, LONGEST)
}

/// A table that a phone scrolls sideways, with the keyboard too.
fn table(caption: &str, heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    let rows_of = |rows: &[Vec<Markup>], id: &str| {
        html! {
            div.scroll tabindex="0" role="group" aria-label=(format!("{caption}{id}")) {
                table style=(format!("min-width:{}rem", heads.len() as f64 * 6.5)) {
                    caption.unseen { (caption) }
                    thead { tr { @for head in heads { th scope="col" { (head) } } } }
                    tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
                }
            }
        }
    };
    let first = if rows.len() > FIRST + 3 { FIRST } else { rows.len() };
    html! {
        (rows_of(&rows[..first], ""))
        @if first < rows.len() {
            details {
                summary { "The other " (number((rows.len() - first) as i64)) }
                (rows_of(&rows[first..rows.len().min(MOST)], ", the others"))
                @if rows.len() > MOST {
                    p { "and " (number((rows.len() - MOST) as i64)) " more in report.json" }
                }
            }
        }
    }
}

fn long(seconds: u64) -> String {
    duration(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn text(text: &str) -> Markup {
    html! { (short(text)) }
}

fn code(text: &str) -> Markup {
    html! { code { (short(text)) } }
}

fn amount(amount: impl Into<i128>) -> Markup {
    html! { span.number { (number(amount)) } }
}

fn list(id: &str, title: &str, about: &str, items: &[String]) -> Markup {
    if items.is_empty() {
        return html! {};
    }
    part(
        id,
        title,
        html! {
            p.about { (about) }
            ul { @for item in items.iter().take(MOST) { li { (short(item)) } } }
        },
    )
}

fn findings(findings: &[Finding]) -> Markup {
    let of = |level: Level| findings.iter().filter(move |finding| finding.level == level).take(MOST);
    let one = |finding: &Finding| {
        html! {
            li.finding {
                h4 { code { (short(&finding.id())) } }
                p { (short(&finding.reason)) }
                pre { code { (short(&finding.remedy)) } }
            }
        }
    };
    let group = |level: Level, one_is: &str, many_are: &str| {
        let found = of(level).count();
        html! {
            @if found > 0 {
                h3 { (number(found as i64)) " " (if found == 1 { one_is } else { many_are }) }
                ul.findings { @for finding in of(level) { (one(finding)) } }
            }
        }
    };
    if findings.is_empty() {
        return html! {};
    }
    part(
        "findings",
        "Findings",
        html! {
            (group(Level::Block, "thing stops the run", "things stop the run"))
            (group(Level::Warn, "thing is worth knowing", "things are worth knowing"))
            (group(Level::Info, "remark", "remarks"))
        },
    )
}

fn downtime(report: &Report) -> Markup {
    let Some(downtime) = &report.downtime else { return html! {} };
    let rows: Vec<Vec<Markup>> = downtime
        .outages
        .iter()
        .map(|outage| {
            let took = outage.until.duration_since(outage.from).as_secs();
            vec![
                text(&time(outage.from)),
                text(&time(outage.until)),
                text(&duration(took)),
                text(&outage.reason),
            ]
        })
        .collect();
    part(
        "downtime",
        "Downtime",
        html! {
            p.about {
            "From RDS's events of the writer and of the cluster: it was not longer, unless RDS lost an "
            "event."
        }
            (table("Outages", &["From (UTC)", "Until", "Took", "RDS said"], &rows))
        },
    )
}

fn copies(report: &Report) -> Markup {
    let copies = &report.copies;
    let rows: Vec<(&str, &String)> = [
        ("To go back to", &copies.before_upgrade),
        ("Production's", &copies.source),
        ("Sanitised, from which targets are restored", &copies.sanitized),
    ]
    .into_iter()
    .filter_map(|(what, name)| Some((what, name.as_ref()?)))
    .collect();
    if rows.is_empty() {
        return html! {};
    }
    part(
        "snapshots",
        "Snapshots",
        html! {
            dl.plain {
                @for (what, name) in rows {
                    dt { (what) }
                    dd { code { (short(name)) } }
                }
                @if let Some(taken) = copies.source_taken { dt { "Taken" } dd { (date_and_time(taken)) } }
            }
            @if !copies.way_back.is_empty() {
                details {
                    summary { "The way back" }
                    p {
                        "As another cluster, with the old version. What was written since stays in this one "
                        "only; the runbook's README has the rest of the way."
                    }
                    pre { code { (cut(&copies.way_back.join("\n"), 6_000)) } }
                }
            }
        },
    )
}

fn cost(report: &Report) -> Markup {
    let Some(cost) = &report.cost else { return html! {} };
    let rows: Vec<Vec<Markup>> = cost
        .items
        .iter()
        .map(|item| {
            vec![
                text(&item.what),
                html! { span.number { (quantity(item.quantity)) } " " (short(&item.unit)) },
                html! { span.number { (item.price) } },
                html! { span.number { (money(item.amount, &cost.currency)) } },
            ]
        })
        .collect();
    part(
        "cost",
        "Cost of the run",
        html! {
            p.about { "By the prices that are set; not what clusters cost that stay." }
            (table("Cost of the run", &["What", "How much", "Price of one", "Amount"], &rows))
        },
    )
}

/// Without decimals that say nothing.
fn quantity(quantity: f64) -> String {
    let text = format!("{quantity:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
