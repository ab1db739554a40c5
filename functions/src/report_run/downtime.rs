//! How long nobody could write, from RDS's events.
//!
//! Events carry no id here, only their text (Event, botocore rds 2014-10-31). The texts:
//! https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_Events.Messages.html; of the
//! moment in which an upgrade takes the cluster offline that page has only the beginning
//! (RDS-EVENT-0363 "Upgrade preparation in progress: …"). RDS promises no event: without the one
//! that begins an outage, or the one that ends it, nothing is measured.

use aws_sdk_rds::{primitives::DateTime, types::SourceType};
use jiff::Timestamp;
use runbook::{Context, Result, error::aws};

use super::report::{Downtime, Outage};

/// What RDS has said of a cluster or an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub at: Timestamp,
    pub of: String,
    pub message: String,
}

impl Event {
    pub fn parse(event: &aws_sdk_rds::types::Event) -> Option<Self> {
        let at = Timestamp::from_millisecond(event.date()?.to_millis().ok()?).ok()?;
        Some(Self { at, of: event.source_identifier()?.to_owned(), message: event.message()?.to_owned() })
    }

    fn takes_offline(&self) -> bool {
        self.message.contains("Taking database cluster offline") || self.message == "DB instance shutdown"
    }

    fn brings_back(&self) -> bool {
        self.message == "DB instance restarted"
    }
}

/// RDS keeps them for 14 days
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_ListEvents.html).
pub async fn events(cx: &Context, kind: SourceType, from: Timestamp, until: Timestamp) -> Result<Vec<Event>> {
    let date = |at: Timestamp| DateTime::from_millis(at.as_millisecond());
    let request = cx.rds.describe_events().source_type(kind).start_time(date(from)).end_time(date(until));
    let events: Vec<_> =
        request.into_paginator().items().send().try_collect().await.map_err(aws("rds:DescribeEvents"))?;
    Ok(events.iter().filter_map(Event::parse).collect())
}

/// Of an upgrade: from when the cluster or its writer goes offline to the writer's next start.
pub fn of_a_writer(cluster: &str, clusters: &[Event], writer: &str, instances: &[Event]) -> Option<Downtime> {
    let of_cluster = clusters.iter().filter(|event| event.of == cluster);
    let mut events: Vec<&Event> =
        of_cluster.chain(instances.iter().filter(|event| event.of == writer)).collect();
    // RDS lists them unordered (RDS-EVENT pages: "best effort").
    events.sort_by_key(|event| event.at);
    let mut outages = Vec::new();
    let mut down: Option<&Event> = None;
    for event in events {
        if event.takes_offline() {
            down.get_or_insert(event);
        } else if event.brings_back()
            && let Some(from) = down.take()
        {
            outages.push(Outage { from: from.at, until: event.at, reason: from.message.clone() });
        }
    }
    let seconds = outages.iter().map(|outage| outage.until.duration_since(outage.from).as_secs()).sum();
    (!outages.is_empty()).then_some(Downtime { seconds, outages })
}

/// Of a swap: from when the former cluster loses the stable name until the new one has it and, as
/// it is stopped and started once for its certificate, is started again.
pub fn of_a_rename(stable: &str, clusters: &[Event]) -> Option<i64> {
    let mut events: Vec<&Event> = clusters.iter().collect();
    events.sort_by_key(|event| event.at);
    let (mut lost, mut back) = (None, None);
    for event in events {
        match renamed(&event.message) {
            Some((from, _)) if from == stable => (lost, back) = (Some(event.at), None),
            Some((_, to)) if to == stable => back = lost.and(Some(event.at)),
            _ if event.of == stable && event.message == "DB cluster started" => {
                back = back.and(Some(event.at));
            }
            _ => {}
        }
    }
    Some(back?.duration_since(lost?).as_secs())
}

/// "Renamed DB cluster from [old name] to [new name]" (RDS-EVENT-0172).
fn renamed(message: &str) -> Option<(&str, &str)> {
    let (before, rest) = message.split_once(" from [")?;
    let (from, rest) = rest.split_once("] to [")?;
    before.starts_with("Renamed").then_some((from, rest.split_once(']')?.0))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn event(second: i64, of: &str, message: &str) -> Event {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        Event { at, of: of.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn an_upgrade_is_down_until_its_writer_is_started_and_a_reader_does_not_count() {
        let clusters = [
            event(
                100,
                "orders",
                "Upgrade preparation in progress: Taking database cluster offline for upgrade.",
            ),
            event(
                90,
                "other",
                "Upgrade preparation in progress: Taking database cluster offline for upgrade.",
            ),
        ];
        let instances = [
            event(900, "orders-1", "DB instance shutdown"),
            event(300, "orders-2", "DB instance restarted"),
            event(400, "orders-1", "DB instance restarted"),
            event(930, "orders-1", "DB instance restarted"),
            event(950, "orders-1", "DB instance restarted"),
        ];
        let downtime = of_a_writer("orders", &clusters, "orders-1", &instances).unwrap();
        assert_eq!((downtime.seconds, downtime.outages.len()), (330, 2));
    }

    #[test]
    fn without_an_end_or_a_beginning_nothing_is_measured() {
        let shutdown = [event(100, "orders-1", "DB instance shutdown")];
        assert_eq!(of_a_writer("orders", &[], "orders-1", &shutdown), None);
        assert_eq!(of_a_writer("orders", &[], "orders-1", &[]), None);
        assert_eq!(
            of_a_rename("dev", &[event(1, "dev", "Renamed DB cluster from [dev] to [dev-old]")]),
            None
        );
    }

    #[test]
    fn a_swap_is_down_from_the_first_rename_to_the_new_clusters_start() {
        let mut events = vec![
            event(90, "dev", "Renamed DB cluster from [dev-new] to [dev]"),
            event(10, "dev-old", "Renamed DB cluster from [dev] to [dev-old]"),
            event(5, "dev", "DB cluster started"),
        ];
        assert_eq!(of_a_rename("dev", &events), Some(80));
        events.push(event(300, "dev", "DB cluster started"));
        assert_eq!(of_a_rename("dev", &events), Some(290));
        assert_eq!(of_a_rename("support", &events), None);
    }
}
