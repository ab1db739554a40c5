//! What an upgrade is about: statistics, extensions, parameters, rows.

use maud::{Markup, html};

use super::{MOST, amount, code, long, part, short, table, text};
use crate::report_run::{
    sections::{Analyzed, Change, Extension, Outcome, ParameterGroup, RowCounts, Statement, Switchover},
    words::{count, cut, milliseconds, number, time},
};

pub fn statistics(analyzed: &Analyzed) -> Markup {
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
                (long(analyzed.seconds))
                @if analyzed.already > 0 { ", " (number(analyzed.already)) " had been done before" }
                @if let Some(hot) = analyzed.hot_after_seconds {
                    "; those that are read most had theirs after " (long(hot))
                }
                "."
            }
            @if !rows.is_empty() {
            (table(
                "ANALYZE, what failed and the slowest first",
                &["Database", "Tables", "Took", "Ended"],
                &rows,
            ))
        }
        },
    )
}

pub fn switchover(switchover: &Switchover) -> Markup {
    part(
        "switchover",
        "The switchover",
        html! {
            p { (switchover.words()) "." }
            @if let Some(probed) = &switchover.downtime {
                p.about {
                    "By a probe every 100 ms through the cluster's endpoint: each a new connection, which \
                    asks whether a write would be taken. "
                    @if let (Some(first), Some(last)) = (probed.first_failure, probed.last_failure) {
                        "The first that failed was of " (time(first)) " UTC, the last of " (time(last)) "."
                    } @else { "None failed." }
                }
            }
            @if !switchover.way_back.is_empty() {
                details {
                    summary { "The way back" }
                    p { "To the old cluster, as it was at the switchover: what was written since is lost." }
                    pre { code { (cut(&switchover.way_back.join("\n"), 6_000)) } }
                }
            }
        },
    )
}

pub fn extensions(extensions: &[Extension]) -> Markup {
    if extensions.is_empty() {
        return html! {};
    }
    let rows: Vec<Vec<Markup>> = extensions
        .iter()
        .map(|one| {
            let what = match (&one.reason, &one.statement) {
                (None, _) => html! { "✔ updated" },
                (Some(reason), statement) => html! {
                    b { "stays: " } (short(reason))
                    @if let Some(run) = statement { ". Run " code { (short(run)) } }
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

pub fn parameters(groups: &[ParameterGroup]) -> Markup {
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
            let outcome = match row.outcome {
                Outcome::Kept => html! { "kept" },
                Outcome::Renamed => {
                    html! { "is now called " code { (short(row.to.as_deref().unwrap_or("?"))) } }
                }
                Outcome::Overridden => {
                    html! { "the input says otherwise: " (short(row.reason.as_deref().unwrap_or(""))) }
                }
                Outcome::Removed => html! { b { "the new version has no such parameter" } },
                Outcome::NotModifiable => html! { b { "the new version does not let it be set" } },
                Outcome::OutOfRange => {
                    html! { b { "allowed is " (short(row.allowed.as_deref().unwrap_or("?"))) } }
                }
                Outcome::DefaultChanged => html! { "never set; the default differs" },
                Outcome::Other => html! { "see report.json" },
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

pub fn rows_of(rows: &RowCounts) -> Markup {
    let changes = |changes: &[Change]| -> Vec<Vec<Markup>> {
        changes.iter().map(|one| vec![code(&one.table), amount(one.before), amount(one.after)]).collect()
    };
    let heads = ["Table", "Before", "After"];
    part(
        "rows",
        "Rows before and after",
        html! {
            p.about {
                (number(rows.equal)) " of " (number(rows.counted))
            " counted tables have as many rows as before; "
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
