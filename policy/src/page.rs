//! The page that people read: who gets what, when, from which snapshot, how it is masked, how long
//! the old copy stays.

use std::{collections::BTreeMap, fmt::Write};

use jiff::{SignedDuration, civil::Date};

use crate::exception::{Action, Exception};
use crate::export::{Export, ExportSource};
use crate::rule::{Rule, TableRule};
use crate::types::{
    Capacity, DatabaseRules, LargeObjects, LifecycleSupport, Otherwise, Policy, SnapshotRule, Swap, Sync,
    Target,
};
use crate::values::age;

/// How many starts of each sync the page lists.
const STARTS: usize = 7;
const FIRST_DAY: &str = "<!-- policy calendar --from ";

/// The page, with the starts from the beginning of `from` in each schedule's time zone.
pub fn render(policy: &Policy, from: Date) -> String {
    let mut page = format!("{FIRST_DAY}{from} -->\n# Daily syncs\n\n");
    page += "Made from the policy by `policy calendar`: change the policy, then make the page again.\n";
    for (name, sync) in &policy.syncs {
        // Writing to a String does not fail.
        let _ = self::sync(&mut page, name, sync, from);
    }
    if !policy.exports.is_empty() {
        page += "\n# Exports\n\n";
    }
    for (name, export) in &policy.exports {
        page += &self::export(name, export);
    }
    page
}

/// One line: what goes where, and why it may where it is raw.
fn export(name: &str, export: &Export) -> String {
    let ExportSource { sync, cluster, accept_raw, .. } = &export.source;
    let what = match (sync, cluster, accept_raw) {
        (Some(sync), ..) => format!("what the sync `{sync}` has sanitised"),
        (_, Some(cluster), Some(reason)) => format!("`{cluster}` **as it is** ({reason})"),
        _ => "nothing".to_owned(),
    };
    format!(
        "- **{name}:** {what}, to `s3://{}/{}`; {} exports are kept, none longer than {}.\n",
        export.bucket,
        export.folder(name),
        export.keep.count,
        age::text(&export.keep.age)
    )
}

/// The first day of the starts that a page lists.
pub fn first_day(page: &str) -> Option<Date> {
    page.lines().find_map(|line| line.strip_prefix(FIRST_DAY))?.strip_suffix(" -->")?.parse().ok()
}

fn sync(page: &mut String, name: &str, sync: &Sync, from: Date) -> std::fmt::Result {
    let Sync { source, schedule, quarantine, targets, engine_lifecycle_support, masking, .. } = sync;
    let zone = schedule.time_zone.iana_name().unwrap_or_default();
    writeln!(page, "\n## {name}\n")?;
    let from_what = match (&source.cluster, &source.sync) {
        (None, Some(of)) => format!("From what the sync `{of}` of account {} has sanitised", source.account),
        _ => format!("From the cluster `{}` of account {}", source.name(), source.account),
    };
    writeln!(page, "{from_what}, at `{}` {zone}.\n", schedule.cron)?;
    writeln!(page, "- **Snapshot:** {}.", snapshot(&source.snapshot, zone))?;
    writeln!(page, "- **Its age:** at most {}.", age::text(&source.snapshot.max_age))?;
    let otherwise = match source.snapshot.otherwise {
        Otherwise::Fail => "the run fails",
        Otherwise::Skip => "the run ends well without a sync",
    };
    writeln!(page, "- **When none fits:** {otherwise}; every copy stays as it is.")?;
    if let Some(quarantine) = quarantine {
        writeln!(
            page,
            "- **Sanitised on:** one {} in the security group `{}`.",
            class(&quarantine.instance_class, quarantine.capacity),
            quarantine.security_group
        )?;
    }
    if sync.keep_sanitized {
        writeln!(page, "- **Afterwards:** the newest sanitised snapshot is kept.")?;
    }
    if *engine_lifecycle_support == LifecycleSupport::OpenSourceRdsExtendedSupportDisabled {
        writeln!(page, "- **Extended Support:** never; past the end of standard support a run is refused.")?;
    }

    writeln!(page, "\n### Who gets it\n")?;
    targets.iter().try_for_each(|target| self::target(page, target))?;

    writeln!(page, "\n### The next {STARTS} starts from {from}\n")?;
    writeln!(page, "| Day | {zone} | UTC |")?;
    writeln!(page, "|---|---|---|")?;
    let midnight = from
        .to_zoned(schedule.time_zone.clone())
        .map(|midnight| midnight.timestamp() - SignedDuration::from_nanos(1));
    for start in midnight.into_iter().flat_map(|midnight| schedule.runs(midnight)).take(STARTS) {
        let utc = start.with_time_zone(jiff::tz::TimeZone::UTC);
        writeln!(
            page,
            "| {} | {} | {} |",
            start.strftime("%a"),
            start.strftime("%Y-%m-%d %H:%M %Z"),
            utc.strftime("%Y-%m-%d %H:%M")
        )?;
    }

    let Some(masking) = masking else { return Ok(()) };
    writeln!(page, "\n### How it is masked\n")?;
    masking.databases.iter().try_for_each(|(name, rules)| database(page, name, rules))?;
    if !masking.exceptions.is_empty() {
        writeln!(page, "\n### What stays or goes otherwise, and why\n")?;
    }
    masking.exceptions.iter().try_for_each(|Exception { kind, database, object, action, reason }| {
        let of = database.as_ref().map(|name| format!(" of `{name}`")).unwrap_or_default();
        let action = match action {
            Action::Keep => "kept",
            Action::Drop => "dropped",
            Action::Rewrite => "without its credentials",
        };
        writeln!(page, "- {} `{object}`{of}, {action}: {reason}", kind.as_str())
    })
}

fn snapshot(rule: &SnapshotRule, zone: &str) -> String {
    let mut text = format!("the newest {} one", rule.kind.as_str());
    if let Some(window) = rule.window {
        text += &format!(
            " taken between {} and {} {zone}",
            window.from.strftime("%H:%M"),
            window.until.strftime("%H:%M")
        );
    }
    if !rule.tags.is_empty() {
        let tags: Vec<_> = rule.tags.iter().map(|(key, value)| format!("`{key}={value}`")).collect();
        text += &format!(" with the {} {}", if tags.len() == 1 { "tag" } else { "tags" }, tags.join(", "));
    }
    text
}

fn target(page: &mut String, target: &Target) -> std::fmt::Result {
    let follow = match (&target.swap, &target.secret) {
        (Swap::Secret, Some(secret)) => format!("the secret `{secret}`"),
        _ => "the name".to_owned(),
    };
    let list = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let logins =
        list(target.roles.iter().filter(|role| role.login).map(|role| format!("`{}`", role.name)).collect());
    let kept = list(
        target.keep_tables.iter().map(|kept| format!("`{}` of `{}`", kept.table, kept.database)).collect(),
    );
    let old = match target.keep_old.count {
        0 => "deleted at once".to_owned(),
        count => format!("{count}, for {}", age::text(&target.keep_old.age)),
    };
    let class = class(&target.instance_class, target.capacity);
    writeln!(page, "- **`{}`** in account {}, on {class}", target.cluster, target.account)?;
    writeln!(page, "  - Clients follow: {follow}")?;
    writeln!(page, "  - Roles that log in: {logins}")?;
    writeln!(page, "  - Own tables kept: {kept}")?;
    writeln!(page, "  - Old copies: {old}")
}

fn class(class: &str, capacity: Option<Capacity>) -> String {
    match capacity {
        None => class.to_owned(),
        Some(Capacity { min, max }) => format!("{class} of {min} to {max} ACUs"),
    }
}

fn database(page: &mut String, name: &str, rules: &DatabaseRules) -> std::fmt::Result {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut emptied = 0;
    for rule in rules.tables.values() {
        match rule {
            TableRule::Truncate => emptied += 1,
            TableRule::Columns(columns) => {
                columns.values().for_each(|rule| *counts.entry(rule.name()).or_default() += 1)
            }
        }
    }
    let columns: usize = counts.values().sum();
    let kept = counts.remove(Rule::Keep.name()).unwrap_or(0);
    let mut ordered: Vec<_> = counts.into_iter().collect();
    ordered.sort_by_key(|(rule, count)| (std::cmp::Reverse(*count), *rule));
    let times = |(rule, count): (&str, usize)| match count {
        1 => rule.to_owned(),
        _ => format!("{rule} {count}"),
    };
    let ordered: Vec<_> = ordered.into_iter().map(times).collect();
    let large = match rules.large_objects {
        None => "none known",
        Some(LargeObjects::Truncate) => "removed",
        Some(LargeObjects::Keep) => "kept",
    };
    writeln!(page, "- **`{name}`**: {} tables, {emptied} of them emptied", rules.tables.len())?;
    writeln!(page, "  - {columns} columns, {kept} of them kept")?;
    if !ordered.is_empty() {
        writeln!(page, "  - Masked: {}", ordered.join(", "))?;
    }
    writeln!(page, "  - Large objects: {large}")
}
