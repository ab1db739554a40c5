//! What a scenario may ask of the service: how long things take, and which of its documented moods
//! it shows.

use std::time::Duration;

use super::blue_green;
use super::engine::UpgradeFailure;
use super::exports::Exports;

/// How RDS events reach the bus and DescribeEvents: they are best effort, unordered and at least
/// once (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/working-with-events.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventDelivery {
    #[default]
    Normal,
    Missing,
    /// Five minutes after the fact.
    Late,
    Duplicated,
    /// Each after a random delay of up to two minutes.
    Reordered,
}

/// Changed with [`super::Rds::behave`]. The defaults are modest; all durations are of the sandbox's
/// clock.
#[derive(Debug, Clone)]
pub struct Behaviour {
    pub events: EventDelivery,
    /// From an accepted ModifyDBCluster to `upgrading`: the cluster is `available` with a pending
    /// version (hashicorp/terraform-provider-aws #28339).
    pub upgrade_lag: Duration,
    /// From the cluster's `available` at the new version to the readers'.
    pub reader_lag: Duration,
    /// From an applied maintenance action to the list without it: DescribePendingMaintenanceActions
    /// is eventually consistent
    /// (https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribePendingMaintenanceActions.html).
    pub maintenance_staleness: Duration,
    /// Per instance.
    pub maintenance: Duration,
    pub create_cluster: Duration,
    pub create_instance: Duration,
    pub snapshot: Duration,
    pub restore: Duration,
    pub delete: Duration,
    pub reboot: Duration,
    /// From a rebooted instance's `available` to the `in-sync` of its groups.
    pub apply_status_delay: Duration,
    pub failover: Duration,
    pub start_stop: Duration,
    /// From an accepted master password to the one that the server asks for.
    pub password_delay: Duration,
    /// While a cluster or an instance is renamed, neither name is found.
    pub rename_blackout: Duration,
    /// After a rename a describe of the old name is still answered, by what has the new one
    /// (hashicorp/terraform-provider-aws compares).
    pub rename_echo: Duration,
    /// From a rename to the DNS that shows it.
    pub dns_delay: Duration,
    pub upgrade_prechecks: Duration,
    pub upgrade_snapshot: Duration,
    /// pg_upgrade, in the model gear; a real one takes its own time.
    pub upgrade: Duration,
    /// The model gear's next upgrade fails so. A reason that begins with `PreUpgrade checks failed`
    /// fails before the downtime.
    pub fail_next_upgrade: Option<UpgradeFailure>,
    pub exports: Exports,
    pub blue_green: blue_green::Behaviour,
}

impl Default for Behaviour {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            events: EventDelivery::Normal,
            upgrade_lag: seconds(45),
            reader_lag: seconds(120),
            maintenance_staleness: seconds(90),
            maintenance: seconds(240),
            create_cluster: seconds(60),
            create_instance: seconds(120),
            snapshot: seconds(120),
            restore: seconds(120),
            delete: seconds(60),
            reboot: seconds(45),
            apply_status_delay: seconds(0),
            failover: seconds(30),
            start_stop: seconds(60),
            password_delay: seconds(60),
            rename_blackout: seconds(30),
            rename_echo: seconds(20),
            dns_delay: seconds(600),
            upgrade_prechecks: seconds(60),
            upgrade_snapshot: seconds(60),
            upgrade: seconds(480),
            fail_next_upgrade: None,
            exports: Exports::default(),
            blue_green: blue_green::Behaviour::default(),
        }
    }
}
