//! The parts of the page below the picture: what the runbook is about. A part that has nothing to
//! say is not there.

use maud::{Markup, html};
use runbook::{Finding, Level};

use super::{
    html::class,
    report::{Report, Target},
    sections::{Analyzed, Attestation, Extension, Masking, ParameterGroup, RowCounts, Statement, Wires},
    words::{count, cut, date_and_time, duration, milliseconds, money, number, time},
};

/// Of a name, a reason or a remedy.
const LONGEST: usize = 1500;
/// Rows of a table that are seen at once; the others are a click away.
const FIRST: usize = 12;
/// Of a list that somebody else made longer than a page can be.
const MOST: usize = 1000;

pub fn all(report: &Report) -> Markup {
    html! {
        (findings(&report.findings))
        (targets(&report.targets))
        (list("left", "What was left behind", "The run could not remove it, or leaves it for you.", &report.left))
        (list("warnings", "Worth a look", "No reason to fail.", &report.warnings))
        (downtime(report))
        @if let Some(analyzed) = &report.analyzed { (statistics(analyzed)) }
        (extensions(&report.extensions))
        (parameters(&report.parameters))
        @if let Some(rows) = &report.rows { (rows_of(rows)) }
        @if let Some(masking) = &report.masking { (masked(masking)) }
        @if let Some(wires) = &report.wires { (cut_wires(wires)) }
        @if let Some(attestation) = &report.attestation { (attested(attestation)) }
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
                @if rows.len() > MOST { p { "and " (number((rows.len() - MOST) as i64)) " more in report.json" } }
            }
        }
    }
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

fn targets(targets: &[Target]) -> Markup {
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
    use super::report::Kind;
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
            p.about { "From RDS's events of the writer and of the cluster: it was not longer, unless RDS lost an event." }
            (table("Outages", &["From (UTC)", "Until", "Took", "RDS said"], &rows))
        },
    )
}

fn statistics(analyzed: &Analyzed) -> Markup {
    let mut all: Vec<&Statement> = analyzed.statements.iter().collect();
    all.sort_by_key(|one| (one.failed.is_none(), std::cmp::Reverse(one.milliseconds)));
    let rows: Vec<Vec<Markup>> = all
        .into_iter()
        .map(|one| {
            let names = one.tables.join(", ");
            let names = cut(names.strip_prefix("ONLY ").unwrap_or(&names), 300);
            vec![
                text(&one.database),
                code(&names),
                html! { span.number { (milliseconds(one.milliseconds)) } },
                html! { @if let Some(why) = &one.failed { b { "✖ " (short(why)) } } @else { "✔" } },
            ]
        })
        .collect();
    part(
        "statistics",
        "Statistics",
        html! {
            p.about {
                (count(analyzed.tables, "table", "tables")) " analysed in "
                (duration(i64::try_from(analyzed.seconds).unwrap_or(i64::MAX)))
                @if analyzed.already > 0 { ", " (number(analyzed.already)) " had been done before" }
                @if let Some(hot) = analyzed.hot_after_seconds {
                    "; those that are read most had theirs after " (duration(i64::try_from(hot).unwrap_or(i64::MAX)))
                }
                "."
            }
            @if !rows.is_empty() { (table("ANALYZE, what failed and the slowest first", &["Database", "Tables", "Took", "Ended"], &rows)) }
        },
    )
}

fn extensions(extensions: &[Extension]) -> Markup {
    if extensions.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = extensions
        .iter()
        .map(|one| {
            let what = match (&one.reason, &one.statement) {
                (None, _) => html! { "✔ updated" },
                (Some(reason), statement) => html! {
                    b { "stays: " } (short(reason)) @if let Some(run) = statement { ". Run " code { (short(run)) } }
                },
            };
            vec![text(&one.name), text(&one.database), text(&format!("{} → {}", one.from, one.to)), what]
        })
        .collect();
    part(
        "extensions",
        "Extensions",
        table("Extensions", &["Extension", "Database", "Version", "What became of it"], &rows),
    )
}

fn parameters(groups: &[ParameterGroup]) -> Markup {
    let shown = groups.iter().filter(|group| !group.rows.is_empty() || !group.differs.is_empty());
    if shown.clone().next().is_none() {
        return html! {};
    }
    part(
        "parameters",
        "Parameters",
        html! {
            @for group in shown {
                h3 { (short(&group.from)) " → " (short(&group.to)) }
                p.about {
                    (short(&group.kind)) ", "
                    @if group.made_by_us { "made by a run" } @else { "used as somebody made it" }
                }
                (parameters_of(group))
            }
        },
    )
}

fn parameters_of(group: &ParameterGroup) -> Markup {
    let or_none = |value: &Option<String>| match value {
        Some(value) => code(value),
        None => html! { span.faint { "none" } },
    };
    let rows: Vec<Vec<Markup>> = group
        .rows
        .iter()
        .map(|row| {
            let outcome = match row.outcome.as_str() {
                "Kept" => html! { "kept" },
                "Renamed" => html! { "is now called " code { (short(row.to.as_deref().unwrap_or("?"))) } },
                "Overridden" => {
                    html! { "the input says otherwise: " (short(row.reason.as_deref().unwrap_or(""))) }
                }
                "Removed" => html! { b { "the new version has no such parameter" } },
                "NotModifiable" => html! { b { "the new version does not let it be set" } },
                "OutOfRange" => html! { b { "allowed is " (short(row.allowed.as_deref().unwrap_or("?"))) } },
                "DefaultChanged" => html! { "never set; the default differs" },
                other => text(other),
            };
            vec![
                code(&row.name),
                or_none(&row.value),
                or_none(&row.old_default),
                or_none(&row.new_default),
                outcome,
            ]
        })
        .collect();
    let differs: Vec<Vec<Markup>> = group
        .differs
        .iter()
        .map(|(name, (theirs, ours))| vec![code(name), or_none(theirs), code(ours)])
        .collect();
    html! {
        @if !rows.is_empty() {
            (table(
                &format!("Values of {}", cut(&group.from, 150)),
                &["Parameter", "Owner's value", "Former default", "New default", "Outcome"],
                &rows,
            ))
        }
        @if !differs.is_empty() {
            p { b { "It has other values than would have been carried over:" } }
            (table(
                &format!("What differs in {}", cut(&group.to, 150)),
                &["Parameter", "There", "Would have been"],
                &differs,
            ))
        }
    }
}

fn rows_of(rows: &RowCounts) -> Markup {
    let changes = |changes: &[super::sections::Change]| -> Vec<Vec<Markup>> {
        changes.iter().map(|one| vec![code(&one.table), amount(one.before), amount(one.after)]).collect()
    };
    let heads = ["Table", "Before", "After"];
    part(
        "rows",
        "Rows before and after",
        html! {
            p.about {
                (number(rows.equal)) " of " (number(rows.counted)) " counted tables have as many rows as before; "
                (count(rows.tables, "table was", "tables were")) " there. Together "
                (number(rows.rows_before)) " rows before and " (number(rows.rows_after)) " after."
            }
            @if !rows.emptied.is_empty() {
                h3 { "Had rows and have none" }
                (table("Tables that lost every row", &heads, &changes(&rows.emptied)))
            }
            @if !rows.gone.is_empty() {
                h3 { "Were there and are not" }
                ul { @for table in rows.gone.iter().take(MOST) { li { code { (short(table)) } } } }
            }
            @if !rows.changed.is_empty() {
                h3 { "Differ, because the application writes" }
                (table("Tables whose rows differ", &heads, &changes(&rows.changed)))
            }
        },
    )
}

fn masked(masking: &Masking) -> Markup {
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

fn cut_wires(wires: &Wires) -> Markup {
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

fn attested(attestation: &Attestation) -> Markup {
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
