//! RDS events: kept for DescribeEvents and sent to the default bus.
//!
//! Ids, texts and categories:
//! https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_Events.Messages.html; the
//! texts of an upgrade under way, which that page cuts short, as Aurora MySQL's and DocumentDB's
//! pages on major version upgrades print them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::behaviour::EventDelivery;
use super::blue_green::Deployment;
use super::error::Fault;
use super::model::{Cluster, Event, Instance, Snapshot, World, stamp};
use super::paging::page_of;
use super::query::Input;
use super::{Answer, Rds};
use crate::aws;

/// What an event is about.
pub struct Source {
    kind: &'static str,
    id: String,
    arn: String,
}

impl From<&Cluster> for Source {
    fn from(cluster: &Cluster) -> Self {
        Self { kind: "db-cluster", id: cluster.id.clone(), arn: cluster.arn() }
    }
}

impl From<&Instance> for Source {
    fn from(instance: &Instance) -> Self {
        Self { kind: "db-instance", id: instance.id.clone(), arn: instance.arn() }
    }
}

impl From<&Snapshot> for Source {
    fn from(snapshot: &Snapshot) -> Self {
        Self { kind: "db-cluster-snapshot", id: snapshot.id.clone(), arn: snapshot.arn() }
    }
}

impl From<&Deployment> for Source {
    fn from(deployment: &Deployment) -> Self {
        Self { kind: "blue-green-deployment", id: deployment.id.clone(), arn: deployment.arn() }
    }
}

impl Source {
    pub fn parameter_group(account: &str, name: &str, instance: bool) -> Self {
        let resource = if instance { "pg" } else { "cluster-pg" };
        Self {
            kind: "db-parameter-group",
            id: name.to_owned(),
            arn: aws::arn_in(account, "rds", &format!("{resource}:{name}")),
        }
    }
}

fn categories(id: &str) -> &'static [&'static str] {
    match id {
        "0005" | "0170" | "0244" => &["creation"],
        "0245" | "0249" | "0261" | "0489" => &["failure"],
        "0003" | "0171" | "0246" => &["deletion"],
        "0004" | "0006" => &["availability"],
        "0070" | "0071" | "0072" | "0073" => &["failover"],
        "0074" | "0075" | "0168" | "0169" => &["backup"],
        "0012" | "0014" | "0016" | "0037" | "0092" | "0172" => &["configuration change"],
        "0026" | "0027" | "0047" | "0173" | "0174" | "0176" | "0177" | "0178" | "0230" | "0286" | "0287"
        | "0288" | "0289" | "0290" | "0363" => &["maintenance"],
        _ => &["notification"],
    }
}

fn detail_type(kind: &str) -> &'static str {
    match kind {
        "db-cluster" => "RDS DB Cluster Event",
        "db-instance" => "RDS DB Instance Event",
        "db-cluster-snapshot" => "RDS DB Cluster Snapshot Event",
        // https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-rds.html
        "blue-green-deployment" => "RDS Blue Green Deployment Event",
        _ => "RDS DB Parameter Group Event",
    }
}

/// `CLUSTER`, `DB_INSTANCE`, ...
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-cloud-watch-events.html).
fn envelope_type(kind: &str) -> &'static str {
    match kind {
        "db-cluster" => "CLUSTER",
        "db-instance" => "DB_INSTANCE",
        "db-cluster-snapshot" => "CLUSTER_SNAPSHOT",
        // Assumed by analogy.
        "blue-green-deployment" => "BLUE_GREEN_DEPLOYMENT",
        _ => "DB_PARAMETER_GROUP",
    }
}

impl Rds {
    /// Records an event, `id` without its prefix `RDS-EVENT-`.
    pub(super) fn event(
        &self,
        world: &mut World,
        source: impl Into<Source>,
        id: &'static str,
        message: impl Into<String>,
    ) {
        let Source { kind, id: source_id, arn } = source.into();
        let delivery = self.behaviour().events;
        let delay = match delivery {
            EventDelivery::Missing => return,
            EventDelivery::Normal | EventDelivery::Duplicated => Duration::ZERO,
            EventDelivery::Late => Duration::from_secs(300),
            EventDelivery::Reordered => world.random_delay(Duration::from_secs(120)),
        };
        let date = self.clock.now();
        let event = Event {
            source_type: kind,
            source_id,
            source_arn: arn,
            id,
            categories: categories(id),
            message: message.into(),
            date,
            listed_from: date + delay,
        };
        for _ in 0..if delivery == EventDelivery::Duplicated { 2 } else { 1 } {
            // EventBridge gives a duplicate the same id, and what happens at one time to two things
            // two.
            let of = hex::encode(&Sha256::digest(&event.source_arn)[..4]);
            let id = format!("{}-{}-{of}", event.id, date.as_nanosecond());
            let envelope = envelope(self.account, &event, &id);
            world.events.push(event.clone());
            let (bus, clock) = (self.bus.clone(), self.clock);
            if delay.is_zero() {
                // Nobody listens when the sandbox ends.
                let _ = bus.send(envelope);
            } else {
                tokio::spawn(async move {
                    clock.sleep(delay).await;
                    let _ = bus.send(envelope);
                });
            }
        }
    }

    pub(super) fn describe_events(&self, input: &Input) -> Answer {
        const KINDS: [&str; 5] = [
            "db-cluster",
            "db-instance",
            "db-cluster-snapshot",
            "db-parameter-group",
            "blue-green-deployment",
        ];
        let kind = input.text("SourceType");
        if kind.is_some_and(|kind| {
            !KINDS.contains(&kind) && kind != "db-security-group" && kind != "db-snapshot"
        }) {
            return Err(Fault::value(format!("Invalid source type: {}", kind.unwrap_or_default())));
        }
        let source = input.text("SourceIdentifier").map(str::to_lowercase);
        if source.is_some() && kind.is_none() {
            return Err(Fault::combination(
                "You must specify the source type when you specify a source identifier.",
            ));
        }
        let now = self.clock.now();
        let time = |name| input.text(name).and_then(|text| text.parse::<Timestamp>().ok());
        let end = time("EndTime").unwrap_or(now);
        let span = SignedDuration::from_mins(input.number("Duration").unwrap_or(60));
        let start = time("StartTime").unwrap_or(end - span);
        // Events are kept for 14 days.
        let start = start.max(now - SignedDuration::from_hours(14 * 24));
        let categories = input.texts("EventCategories");
        let world = self.world();
        let mut events: Vec<&Event> = world
            .events
            .iter()
            .filter(|event| event.listed_from <= now && (start..=end).contains(&event.date))
            .filter(|event| kind.is_none_or(|kind| kind == event.source_type))
            .filter(|event| source.as_ref().is_none_or(|source| *source == event.source_id))
            .filter(|event| {
                categories.is_empty()
                    || event.categories.iter().any(|one| categories.iter().any(|wanted| wanted == one))
            })
            .collect();
        events.sort_by_key(|event| event.date);
        page_of("Events", events, input, describe)
    }
}

fn describe(event: &Event) -> Value {
    json!({
        "SourceIdentifier": event.source_id,
        "SourceType": event.source_type,
        "Message": event.message,
        "EventCategories": event.categories,
        "Date": stamp(event.date),
        "SourceArn": event.source_arn,
    })
}

fn envelope(account: &str, event: &Event, id: &str) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": detail_type(event.source_type),
        "source": "aws.rds",
        "account": account,
        "time": event.date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": aws::REGION,
        "resources": [event.source_arn],
        "detail": {
            "EventCategories": event.categories,
            "SourceType": envelope_type(event.source_type),
            "SourceArn": event.source_arn,
            "Date": stamp(event.date),
            "Message": event.message,
            "SourceIdentifier": event.source_id,
            "EventID": format!("RDS-EVENT-{}", event.id),
        },
    })
}
