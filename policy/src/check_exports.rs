//! What a schema cannot say of exports.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{Report, capacity};
use crate::export::{Accepted, DifferenceKind, Export, ExportSource, Verify};
use crate::types::{Policy, SnapshotKind};

pub fn exports(policy: &Policy, report: &mut Report) {
    let (mut sources, mut folders) = (BTreeMap::new(), BTreeMap::new());
    for (name, export) in &policy.exports {
        let field = format!("exports.{name}");
        source(&export.source, policy, &format!("{field}.source"), report);
        let ExportSource { sync, cluster, account, .. } = &export.source;
        // Its event has to say which export is meant, and RDS exports a snapshot once at a time
        // (Aurora User Guide, "Considerations for DB cluster snapshot exports").
        if let Some(first) = sources.insert((sync, cluster, account), name) {
            report.error(&format!("{field}.source"), format!("is already the source of {first}"));
        }
        if let Some(first) = folders.insert((&export.bucket, export.folder(name)), name) {
            report.error(&format!("{field}.prefix"), format!("makes the same keys as {first}"));
        }
        if let Some(schedule) = &export.schedule {
            let from = jiff::Timestamp::UNIX_EPOCH;
            if schedule.runs(from).next().is_none() {
                let cron = schedule.cron.as_str();
                report.error(
                    &format!("{field}.schedule.cron"),
                    format!("{cron:?} names a day that no year has"),
                );
            }
        }
        if export.verify == Verify::Recorded && sync.is_none() && cluster.is_some() {
            report.error(
                &format!("{field}.verify"),
                "recorded is for source.sync: nobody has counted the rows of another snapshot; write \
                 verify: restore or verify: aws",
            );
        }
        let of_another_account =
            |sync: &String| policy.syncs.get(sync).is_some_and(|it| it.masking.is_none());
        if export.verify == Verify::Recorded && sync.as_ref().is_some_and(of_another_account) {
            report.error(
                &format!("{field}.verify"),
                "is recorded, and the rows were counted in the account that has sanitised them; write \
                 verify: aws",
            );
        }
        quarantine(export, policy, &field, report);
        accepted(export, &field, report);
    }
}

fn source(source: &ExportSource, policy: &Policy, field: &str, report: &mut Report) {
    let ExportSource { sync, cluster, account, snapshot, accept_raw } = source;
    match (sync, cluster) {
        (Some(_), Some(_)) => {
            report.error(&format!("{field}.cluster"), "stands beside sync: an export has one source")
        }
        (None, None) => report.error(field, "lacks sync or cluster: one of them is exported"),
        (Some(sync), None) => {
            if !policy.syncs.contains_key(sync) {
                report.error(&format!("{field}.sync"), format!("{sync:?} is no sync of this policy"));
            }
            let of_cluster = [
                ("account", account.is_some()),
                ("snapshot", snapshot.is_some()),
                ("accept-raw", accept_raw.is_some()),
            ];
            for (key, _) in of_cluster.into_iter().filter(|(_, given)| *given) {
                report.error(&format!("{field}.{key}"), "is for cluster; a sync's snapshot is its own");
            }
        }
        (None, Some(_)) => {
            if snapshot.is_none() {
                report.error(field, "lacks snapshot: which of the cluster's snapshots is exported");
            }
            if accept_raw.is_none() {
                report.error(
                    field,
                    "lacks accept-raw: why production's values may leave the database as they are; \
                     source.sync exports sanitised ones",
                );
            }
            // "You can't share automated snapshots" (Aurora User Guide, "Sharing a DB cluster
            // snapshot").
            let kind = snapshot.as_ref().map(|rule| rule.kind);
            if account.is_some() && kind == Some(SnapshotKind::Automated) {
                report.error(
                    &format!("{field}.snapshot.type"),
                    "is automated, and another account can share manual ones only",
                );
            }
        }
    }
}

fn quarantine(export: &Export, policy: &Policy, field: &str, report: &mut Report) {
    let quarantine = match (&export.quarantine, export.verify) {
        (Some(quarantine), Verify::Restore) => quarantine,
        (None, Verify::Restore) => {
            return report.error(
                field,
                "lacks quarantine: where the snapshot is restored so that its rows are counted",
            );
        }
        (Some(_), verify) => {
            let what = format!("is for verify: restore; this is verify: {}", verify.as_str());
            return report.error(&format!("{field}.quarantine"), what);
        }
        (None, _) => return,
    };
    let field = format!("{field}.quarantine");
    capacity(&quarantine.instance_class, quarantine.capacity.as_ref(), &field, report);
    let mut targets = policy.syncs.values().flat_map(|sync| &sync.targets);
    if let Some(target) = targets.find(|target| target.security_groups.contains(&quarantine.security_group)) {
        report.error(
            &format!("{field}.security-group"),
            format!(
                "is a group of the target {}; whoever it lets in there it would let in to raw data",
                target.cluster
            ),
        );
    }
}

fn accepted(export: &Export, field: &str, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (index, accepted) in export.accept.iter().enumerate() {
        let Accepted { kind, table, column, .. } = accepted;
        let field = format!("{field}.accept[{index}]");
        match (kind, column) {
            (DifferenceKind::Type, None) => report.error(&field, "lacks column: a type is a column's"),
            (DifferenceKind::Type, Some(_)) | (_, None) => {}
            (kind, Some(_)) => {
                report.error(&format!("{field}.column"), format!("is for type; {kind} is of a whole table"))
            }
        }
        if !seen.insert((kind, table, column)) {
            report.error(&format!("{field}.table"), format!("{kind} of {table} is accepted already"));
        }
    }
}
