//! Says how many copies hold raw data and since when the oldest does, so that an alarm tells a
//! person when one stands too long.
//!
//! No state: EventBridge calls it (`infra/events/raw-copies.json`). No metric of AWS has the age of
//! a cluster or a snapshot. It finds what runs made by its tags, in this account, and by today's
//! policy what stands in production's; it changes nothing. Whatever it cannot look at is an error,
//! and no metric is written: the alarm takes a missing one for a copy that is too old.

use std::collections::BTreeMap;

use aws_sdk_rds::primitives::DateTime;
use jiff::Timestamp;
use runbook::{
    Arn, Context, Error, Result,
    aurora::{self, Snapshot, Tags},
    daily_sync::tags::{self, Role},
    kept_policy,
    major_upgrade::MANAGED_BY,
    telemetry,
};
use serde_json::{Value, json};

use crate::daily_sync::production::OurCopy;

pub async fn handle(cx: &Context) -> Result<Value> {
    let mut raw = BTreeMap::new();
    for cluster in aurora::clusters(cx).await? {
        if made_by_us(&cluster.tags, Role::Quarantine) {
            raw.insert(cluster.arn, since(cx, cluster.shown.cluster_create_time())?);
        }
    }
    note_copies(cx, &mut raw, &aurora::manual_snapshots(cx).await?)?;
    if let Some(policy) = kept_policy::of_today(cx).await? {
        let copies = OurCopy::of_all(cx, &policy).await?;
        note_copies(cx, &mut raw, copies.iter().map(OurCopy::snapshot))?;
    }
    let now = cx.clock.now();
    let age = raw.values().map(|since| now.duration_since(*since).as_secs()).max().unwrap_or_default();
    let metrics = [("RawCopies", "Count", raw.len() as f64), ("RawCopyAge", "Seconds", age as f64)];
    telemetry::metric(cx, &Value::Object(telemetry::embedded(now, &json!([[]]), &metrics)));
    let copies: BTreeMap<&str, String> =
        raw.iter().map(|(arn, since)| (arn.as_str(), since.to_string())).collect();
    tracing::info!(age, ?copies, "raw copies");
    Ok(json!({ "age": age, "copies": copies }))
}

fn made_by_us(tags: &Tags, role: Role) -> bool {
    tags.is(MANAGED_BY.0, MANAGED_BY.1) && tags::has_role(tags, role)
}

/// A copy of what another account has sanitised carries its attestation, and is not raw.
fn note_copies<'a>(
    cx: &Context,
    raw: &mut BTreeMap<Arn, Timestamp>,
    snapshots: impl IntoIterator<Item = &'a Snapshot>,
) -> Result<()> {
    for Snapshot { arn, tags, shown, .. } in snapshots {
        if made_by_us(tags, Role::Copy) && tags.get(tags::ATTESTED_RUN).is_none() {
            raw.insert(arn.clone(), since(cx, shown.snapshot_create_time())?);
        }
    }
    Ok(())
}

/// What is being made may have no time yet. That a copied snapshot shows the time of its copy is
/// assumed: "the time when the snapshot was taken" (botocore rds 2014-10-31, DBClusterSnapshot)
/// would be its source's, and the alarm early.
fn since(cx: &Context, shown: Option<&DateTime>) -> Result<Timestamp> {
    let Some(shown) = shown else { return Ok(cx.clock.now()) };
    Timestamp::from_second(shown.secs()).map_err(|error| Error::unexpected(format!("RDS's time: {error}")))
}
