//! A major upgrade, watched: asked for with `--upgrade` only.

use anyhow::{Context as _, Result, ensure};
use aws_sdk_rds::types::SourceType;
use runbook::{
    aurora::{self, Cluster, EngineVersion, Status},
    postgres::quote,
};

use crate::{
    check::{Answer, Check, Expected},
    local,
    subject::{ENGINE, Subject},
};

pub const CHECKS: &[Check] = &[
    Check {
        name: "available-after-an-accepted-upgrade",
        expected: Expected::Holds("for a while the cluster is `available` with the new version pending"),
        source: "hashicorp/terraform-provider-aws#28339",
        local: local!("src/rds/behaviour.rs", "`available` with a pending"),
        ask: |on| {
            Box::pin(watched(on, |seen| {
                Answer::of(seen.pending_for > 0, format!("for {} s", seen.pending_for))
            }))
        },
    },
    Check {
        name: "log-of-pg-upgrade-while-online",
        expected: Expected::Holds(
            "of an upgrade that succeeds no log of pg_upgrade is listed before the cluster goes offline",
        ),
        source: "assumed: AuroraUserGuide names the logs of failures only",
        local: local!("src/postgres/upgrade.rs", "and what it leaves behind when it fails"),
        ask: |on| {
            Box::pin(watched(on, |seen| {
                Answer::of(seen.online_logs.is_empty(), format!("{:?}", seen.online_logs))
            }))
        },
    },
    Check {
        name: "events-of-an-upgrade",
        expected: Expected::Holds("its events say start, pre-checks, offline, snapshot, writer and end"),
        source: "AuroraUserGuide, USER_Events.Messages",
        local: local!("src/rds/upgrade.rs", "Starting online upgrade prechecks."),
        ask: |on| {
            Box::pin(watched(on, |seen| {
                let missing: Vec<_> = EVENTS
                    .iter()
                    .filter(|part| !seen.events.iter().any(|message| message.starts_with(**part)))
                    .collect();
                Answer::of(missing.is_empty(), format!("missing {missing:?} of {:?}", seen.events))
            }))
        },
    },
    Check {
        name: "name-of-the-pre-upgrade-snapshot",
        expected: Expected::Holds("it is preupgrade-<cluster>-<from>-to-<to>-<time>, dots as hyphens"),
        source: "AuroraUserGuide, USER_UpgradeDBInstance.PostgreSQL.MajorVersion",
        local: local!("src/rds/upgrade.rs", "Manual, and named `preupgrade-"),
        ask: |on| {
            Box::pin(watched(on, |seen| {
                let named = seen.snapshots.iter().any(|name| name.starts_with(&seen.snapshot));
                Answer::of(named, format!("{:?}", seen.snapshots))
            }))
        },
    },
    Check {
        name: "default-groups-after-an-upgrade",
        expected: Expected::Holds("a cluster on default groups has those of the new family, in sync"),
        source: "botocore rds 2014-10-31, ModifyDBCluster.DBInstanceParameterGroupName",
        local: local!("src/rds/upgrade.rs", "let status = |group: &str| if is_default(group)"),
        ask: |on| {
            Box::pin(watched(on, |seen| {
                let same = seen.groups.iter().all(|group| *group == seen.default_group);
                Answer::of(same && !seen.groups.is_empty(), format!("{:?}", seen.groups))
            }))
        },
    },
    Check {
        name: "statistics-after-an-upgrade",
        expected: Expected::Holds("from target 18 on column statistics are carried; last_analyze is gone"),
        source: "PostgreSQL 18 release notes, pg_upgrade",
        local: local!("src/postgres/upgrade.rs", "if new.major >= 18 { \"--swap\" }"),
        ask: |on| {
            Box::pin(watched(on, |seen| {
                let carried = seen.statistics > 0;
                let as_said = carried == (seen.target.major() >= 18) && !seen.analyzed;
                let what = format!(
                    "to {}: {} column statistics, last_analyze kept: {}",
                    seen.target, seen.statistics, seen.analyzed
                );
                Answer::of(as_said, what)
            }))
        },
    },
];

const EVENTS: [&str; 6] = [
    "Database cluster engine major version upgrade started.",
    "Upgrade preparation in progress: Starting online upgrade prechecks.",
    OFFLINE,
    "Upgrade in progress: Creating pre-upgrade snapshot",
    "Upgrade in progress: Upgrading writer.",
    "Database cluster engine major version has been upgraded.",
];
const OFFLINE: &str = "Upgrade preparation in progress: Taking database cluster offline for upgrade.";

/// What was seen of the one upgrade.
pub struct Watched {
    target: EngineVersion,
    pending_for: i64,
    online_logs: Vec<String>,
    events: Vec<String>,
    snapshots: Vec<String>,
    /// How the name of RDS's own snapshot begins.
    snapshot: String,
    /// Of cluster and instances, with their status.
    groups: Vec<String>,
    default_group: String,
    statistics: i64,
    analyzed: bool,
}

/// The newest later major that the version can go to at once.
pub async fn newest_target(on: &Subject, cluster: &Cluster) -> Result<Option<EngineVersion>> {
    let version = cluster.version.to_string();
    let answer = on.rds().describe_db_engine_versions().engine(ENGINE).engine_version(version).send().await?;
    let targets = answer.db_engine_versions().iter().flat_map(|version| version.valid_upgrade_target());
    let targets = targets.filter_map(|target| target.engine_version());
    // The -limitless ones are another product's.
    let targets = targets.filter(|target| !target.contains('-')).filter_map(|target| target.parse().ok());
    Ok(targets.filter(|target: &EngineVersion| target.major() > cluster.version.major()).max())
}

async fn watched(on: &Subject, answer: impl FnOnce(&Watched) -> Answer) -> Result<Answer> {
    if !on.named.upgrade {
        return Ok(Answer::Unknown("no upgrade was asked for (--upgrade)".to_owned()));
    }
    Ok(answer(on.watched.get_or_try_init(async || watch(on).await).await?))
}

const TABLE: &str = "acceptance_check";

async fn watch(on: &Subject) -> Result<Watched> {
    let before = on.cluster().await?;
    let target = newest_target(on, &before).await?.context("its version has no later major")?;
    let table = quote(TABLE);
    let plant = format!(
        "CREATE TABLE {table} AS SELECT n, n % 7 AS seventh FROM generate_series(1, 10000) AS n; ANALYZE \
        {table}"
    );
    on.session().await?.client.batch_execute(&plant).await.context("create a table to look at later")?;

    let writer = on.writer().await?.db_instance_identifier.context("the writer has no name")?;
    let began = on.cx.clock.now();
    let modify = on.rds().modify_db_cluster().db_cluster_identifier(&before.id);
    let modify = modify.engine_version(target.to_string()).allow_major_version_upgrade(true);
    modify.apply_immediately(true).send().await.context("ask for the upgrade")?;
    let (mut pending_for, mut online_logs) = (0, Vec::new());
    let mut is_done = false;
    for _ in 0..2160 {
        let cluster = on.cluster().await?;
        let at_target = cluster.version == target;
        if cluster.status == Status::Available && !at_target {
            pending_for = on.cx.clock.now().duration_since(began).as_secs();
        }
        // An hour without a begin or an end is none: it failed, and its events say why.
        let offline = events(on).await?.iter().any(|message| message.starts_with(OFFLINE));
        if !offline && online_logs.is_empty() {
            online_logs = logs(on, &writer, began).await?;
        }
        let members = aurora::members(&on.cx, &cluster).await?;
        is_done = at_target && aurora::ready(&cluster, &members).is_ok();
        if is_done || pending_for > 3600 {
            break;
        }
        on.sleep(5).await;
    }
    let events = events(on).await?;
    ensure!(is_done, "the upgrade did not end well; its events say {events:?}");
    let statistics = "SELECT count(*) FROM pg_catalog.pg_stats WHERE tablename = $1";
    let analyzed = "SELECT last_analyze IS NOT NULL FROM pg_catalog.pg_stat_all_tables WHERE relname = $1";
    let session = on.session().await?;
    let (after, from) = (on.cluster().await?, before.version.to_string().replace('.', "-"));
    let to = target.to_string().replace('.', "-");
    let snapshots = aurora::manual_snapshots(&on.cx).await?.into_iter().map(|snapshot| snapshot.id);
    let mut groups = Vec::new();
    groups.extend(after.shown.db_cluster_parameter_group().map(|group| format!("{group} in-sync")));
    for member in aurora::members(&on.cx, &after).await? {
        let shown = member.shown.db_parameter_groups().iter();
        groups.extend(shown.map(|group| {
            format!(
                "{} {}",
                group.db_parameter_group_name().unwrap_or("none"),
                group.parameter_apply_status().unwrap_or("nothing")
            )
        }));
    }
    Ok(Watched {
        pending_for,
        online_logs,
        events,
        snapshots: snapshots.filter(|name| name.starts_with("preupgrade-")).collect(),
        snapshot: format!("preupgrade-{}-{from}-to-{to}-", before.id),
        groups,
        default_group: format!("default.{ENGINE}{} in-sync", target.major()),
        statistics: session.client.query_one(statistics, &[&TABLE]).await?.get(0),
        analyzed: session.client.query_one(analyzed, &[&TABLE]).await?.get(0),
        target,
    })
}

async fn events(on: &Subject) -> Result<Vec<String>> {
    let ask = on.rds().describe_events().source_type(SourceType::DbCluster);
    // Minutes; an upgrade has been seen to take five hours.
    let pages = ask.source_identifier(&on.named.cluster).duration(360).into_paginator().items().send();
    let all = pages.try_collect().await?;
    Ok(all.into_iter().filter_map(|event| event.message).collect())
}

/// While the writer is busy its files are not listed.
async fn logs(on: &Subject, writer: &str, since: jiff::Timestamp) -> Result<Vec<String>> {
    let ask = on.rds().describe_db_log_files().db_instance_identifier(writer);
    let ask = ask.filename_contains("pg_upgrade").file_last_written(since.as_millisecond());
    let Ok(answer) = ask.send().await else { return Ok(Vec::new()) };
    let files = answer.describe_db_log_files.into_iter().flatten();
    Ok(files.filter_map(|file| file.log_file_name).collect())
}
