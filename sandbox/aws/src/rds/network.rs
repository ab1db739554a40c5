//! Who reaches a cluster: its security groups, and its instances' PubliclyAccessible, decide, and
//! only trying tells.
//!
//! A cluster's endpoint is a small proxy before its server, on an address of its own, so that every
//! cluster has the port that was asked for. It tells a client's place by its source
//! address: 127.0.0.1 is where the runbooks' workers are, other loopback addresses (Linux answers
//! to all of 127.0.0.0/8) are given out by [`Rds::place`]. Whom no rule lets in has its connection
//! closed before a byte is read. A security group is stateful: a connection that stands is not
//! looked at again (https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as Listener};
use std::sync::{Arc, Weak};

use futures::future::BoxFuture;
use parking_lot::MutexGuard;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

use super::create_cluster::DEFAULT_SECURITY_GROUP;
use super::error::Fault;
use super::model::{Cluster, World};
use super::query::Input;
use super::{Rds, Shared};

/// Where the runbooks' workers are.
pub const WORKERS: &str = "sg-workers";
/// A place outside of the VPC.
pub const INTERNET: &str = "internet";
pub const ANYWHERE: &str = "0.0.0.0/0";

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub struct Network {
    places: BTreeMap<IpAddr, String>,
    /// Which sources each security group lets in.
    rules: BTreeMap<String, BTreeSet<String>>,
    /// Where each one lets out. Only shown: nothing here begins a connection as a cluster would.
    ways_out: BTreeMap<String, BTreeSet<String>>,
    /// By resource id.
    doors: BTreeMap<String, JoinHandle<()>>,
    /// Connections that stand, by resource id.
    passing: BTreeMap<String, Vec<AbortHandle>>,
    /// What stands between clients and servers in place of the plain way.
    wire: Option<Wire>,
}

/// Carries a connection: the client's end, and the port of the server on this host.
pub type Wire = Arc<dyn Fn(TcpStream, u16) -> BoxFuture<'static, ()> + Send + Sync>;

impl Default for Network {
    fn default() -> Self {
        let rules = BTreeMap::from([(
            DEFAULT_SECURITY_GROUP.into(),
            BTreeSet::from([WORKERS.into(), DEFAULT_SECURITY_GROUP.into()]),
        )]);
        Self {
            places: BTreeMap::from([(HOME, WORKERS.into())]),
            rules,
            ways_out: BTreeMap::new(),
            doors: BTreeMap::new(),
            passing: BTreeMap::new(),
            wire: None,
        }
    }
}

/// A security group, to be shown.
#[derive(Debug, Clone)]
pub struct SecurityGroup {
    pub id: String,
    pub inbound: Vec<String>,
    pub outbound: Vec<String>,
    /// A rule here has no ports of its own: these are those of the clusters that have the group.
    pub ports: BTreeSet<u16>,
}

impl Drop for Network {
    fn drop(&mut self) {
        for door in self.doors.values() {
            door.abort();
        }
    }
}

impl Network {
    fn admits(&self, from: &str, groups: &[String], public: bool) -> bool {
        let mut rules = groups.iter().filter_map(|group| self.rules.get(group)).flatten();
        match from {
            INTERNET => public && rules.any(|rule| rule == ANYWHERE),
            _ => rules.any(|rule| rule == from || rule == ANYWHERE),
        }
    }
}

impl Shared {
    fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock()
    }

    /// The server's port and whose it is, if that client may reach it. Who has an endpoint's
    /// address is asked each time: a switchover moves it.
    fn way_in(&self, account: &str, at: (Ipv4Addr, u16), client: IpAddr) -> Option<(u16, String)> {
        let (groups, public, port, resource_id) = {
            let world = self.worlds[account].lock();
            let cluster = world.clusters.values().find(|cluster| (cluster.address, cluster.port) == at)?;
            if cluster.closed {
                return None;
            }
            let members = world.members(&cluster.resource_id);
            // An endpoint answers when an instance is up, with the master password that was set
            // before.
            members.iter().find(|member| member.status != "creating")?;
            let public = members.iter().any(|member| member.publicly_accessible);
            (cluster.security_groups.clone(), public, cluster.server_port, cluster.resource_id.clone())
        };
        let network = self.network();
        let from = network.places.get(&client)?;
        network.admits(from, &groups, public).then_some((port, resource_id))
    }
}

impl Rds {
    /// An address in a place: a member of that security group, or [`INTERNET`]. A client binds its
    /// socket to it.
    pub fn place(&self, security_group: &str) -> IpAddr {
        let mut network = self.shared.network();
        if let Some((address, _)) = network.places.iter().find(|(_, place)| *place == security_group) {
            return *address;
        }
        let number = u8::try_from(network.places.len() + 1).expect("a scenario has less than 255 places");
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, number));
        network.places.insert(address, security_group.to_owned());
        address
    }

    /// Lets a security group admit members of another, or [`ANYWHERE`].
    pub fn allow(&self, security_group: &str, from: &str) {
        self.shared.network().rules.entry(security_group.to_owned()).or_default().insert(from.to_owned());
    }

    /// Takes such a rule back.
    pub fn forbid(&self, security_group: &str, from: &str) {
        self.shared.network().rules.entry(security_group.to_owned()).or_default().remove(from);
    }

    /// Lets what has a security group reach members of another, or [`ANYWHERE`].
    pub fn allow_out(&self, security_group: &str, to: &str) {
        self.shared.network().ways_out.entry(security_group.to_owned()).or_default().insert(to.to_owned());
    }

    /// From now on connections to every cluster are carried by this.
    pub fn lay_wire(&self, wire: Wire) {
        self.shared.network().wire = Some(wire);
    }

    /// Every security group that has, or had, a rule.
    pub fn security_groups(&self) -> Vec<SecurityGroup> {
        let mut ports = BTreeMap::<String, BTreeSet<u16>>::new();
        for cluster in self.shared.worlds.values().flat_map(|world| {
            world
                .lock()
                .clusters
                .values()
                .map(|one| (one.security_groups.clone(), one.port))
                .collect::<Vec<_>>()
        }) {
            for group in cluster.0 {
                ports.entry(group).or_default().insert(cluster.1);
            }
        }
        let network = self.shared.network();
        let ids: BTreeSet<&String> = network.rules.keys().chain(network.ways_out.keys()).collect();
        let peers = |rules: &BTreeMap<String, BTreeSet<String>>, id: &String| {
            rules.get(id).into_iter().flatten().cloned().collect()
        };
        ids.into_iter()
            .map(|id| SecurityGroup {
                id: id.clone(),
                inbound: peers(&network.rules, id),
                outbound: peers(&network.ways_out, id),
                ports: ports.remove(id).unwrap_or_else(|| BTreeSet::from([5432])),
            })
            .collect()
    }

    /// Whether the rules let that place reach the cluster, without trying.
    pub fn admits(&self, cluster: &str, from: &str) -> bool {
        let (groups, public) = {
            let world = self.world();
            let Ok(cluster) = world.cluster(cluster) else { return false };
            (
                cluster.security_groups.clone(),
                world.members(&cluster.resource_id).iter().any(|member| member.publicly_accessible),
            )
        };
        self.shared.network().admits(from, &groups, public)
    }

    /// A place for an endpoint with that port: an address that no other sandbox has taken. Where
    /// the host has only one (macOS), or something has the port on all of them, it is a free port
    /// of 127.0.0.1 instead. In the model gear nothing listens.
    pub(super) fn door(&self, port: u16) -> Result<(Ipv4Addr, u16, Option<Listener>), Fault> {
        if self.engine.is_none() {
            return Ok((Ipv4Addr::LOCALHOST, port, None));
        }
        for _ in 0..8 {
            let [a, b, c, ..] = uuid::Uuid::new_v4().into_bytes();
            // 127.0.0.x are the places of clients.
            let address = Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254));
            if let Ok(listener) = Listener::bind((address, port)) {
                return Ok((address, port, Some(listener)));
            }
        }
        tracing::warn!(port, "no loopback address has this port free: the endpoint takes another");
        free_port().map(|(port, listener)| (Ipv4Addr::LOCALHOST, port, Some(listener)))
    }

    /// Moves the cluster's endpoint to another port.
    pub(super) fn move_door(&self, cluster: &Cluster, port: u16) -> Result<(), Fault> {
        if self.engine.is_none() {
            return Ok(());
        }
        Listener::bind((cluster.address, port))
            .and_then(|listener| self.open_door(cluster, listener))
            .map_err(|error| Fault::new("InternalFailure", format!("open an endpoint on {port}: {error}")))
    }

    /// Opens the cluster's endpoint.
    pub(super) fn open_door(
        &self,
        cluster: &Cluster,
        listener: std::net::TcpListener,
    ) -> std::io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let at = match listener.local_addr()? {
            SocketAddr::V4(address) => (*address.ip(), address.port()),
            SocketAddr::V6(address) => (Ipv4Addr::LOCALHOST, address.port()),
        };
        let shared = std::sync::Arc::downgrade(&self.shared);
        let door = tokio::spawn(keep_door(listener, shared, self.account, at));
        if let Some(former) = self.shared.network().doors.insert(cluster.resource_id.clone(), door) {
            former.abort();
        }
        Ok(())
    }

    /// Each cluster gets the other's endpoint, as the names of both have moved.
    pub(super) fn swap_doors(&self, world: &mut World, one: &str, other: &str) {
        let place = |id: &str| world.clusters.get(id).map(|cluster| (cluster.address, cluster.port));
        let (Some(of_one), Some(of_other)) = (place(one), place(other)) else { return };
        for (id, place) in [(one, of_other), (other, of_one)] {
            if let Some(cluster) = world.clusters.get_mut(id).filter(|_| self.engine.is_some()) {
                (cluster.address, cluster.port) = place;
            }
        }
        let mut network = self.shared.network();
        if let (Some(door_one), Some(door_other)) = (network.doors.remove(one), network.doors.remove(other)) {
            network.doors.insert(one.to_owned(), door_other);
            network.doors.insert(other.to_owned(), door_one);
        }
    }

    /// Ends every connection to the cluster that stands.
    pub(super) fn cut_connections(&self, resource_id: &str) {
        for connection in self.shared.network().passing.remove(resource_id).into_iter().flatten() {
            connection.abort();
        }
    }

    pub(super) fn close_door(&self, resource_id: &str) {
        if let Some(door) = self.shared.network().doors.remove(resource_id) {
            door.abort();
        }
    }
}

/// botocore rds 2014-10-31: 1150 to 65535.
pub fn port_of(input: &Input) -> Result<Option<u16>, Fault> {
    let Some(port) = input.number("Port") else { return Ok(None) };
    let legal = u16::try_from(port).ok().filter(|port| *port >= 1150);
    legal
        .map(Some)
        .ok_or_else(|| Fault::value(format!("Invalid port: {port}. Must be between 1150 and 65535")))
}

pub fn free_port() -> Result<(u16, Listener), Fault> {
    let bound = Listener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
    bound.map_err(|error| Fault::new("InternalFailure", format!("find a free port: {error}")))
}

async fn keep_door(listener: TcpListener, shared: Weak<Shared>, account: &'static str, at: (Ipv4Addr, u16)) {
    loop {
        let Ok((client, address)) = listener.accept().await else {
            // No file descriptor is left, for now.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let Some(shared) = shared.upgrade() else { return };
        let Some((port, resource_id)) = shared.way_in(account, at, address.ip()) else { continue };
        let mut network = shared.network();
        let passing = match &network.wire {
            Some(wire) => tokio::spawn(wire(client, port)),
            None => tokio::spawn(async move {
                if let Err(error) = pass(client, port).await {
                    tracing::debug!(error = error.to_string(), "a connection to a cluster ended");
                }
            }),
        };
        let standing = network.passing.entry(resource_id).or_default();
        standing.retain(|connection| !connection.is_finished());
        standing.push(passing.abort_handle());
    }
}

/// A server that does not run closes the connection: its host, which is this one, would refuse it.
async fn pass(mut client: TcpStream, port: u16) -> std::io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, 64 * 1024, 64 * 1024).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_groups_rules_and_public_access_say_who_gets_in() {
        let sandbox = Sandbox::with_cluster().await;
        let rds = &sandbox.rds;
        assert!(rds.admits("orders", WORKERS) && !rds.admits("orders", "sg-app"), "the default group");
        let orders = ("DBClusterIdentifier", "orders");
        sandbox
            .ok("ModifyDBCluster", &[orders, ("VpcSecurityGroupIds.VpcSecurityGroupId.1", "sg-dev")])
            .await;
        assert!(!rds.admits("orders", WORKERS), "no rule, nobody");
        rds.allow("sg-dev", WORKERS);
        rds.allow("sg-dev", ANYWHERE);
        assert!(rds.admits("orders", WORKERS) && rds.admits("orders", "sg-app"));
        let private = [("DBInstanceIdentifier", "orders-1"), ("PubliclyAccessible", "false")];
        sandbox.ok("ModifyDBInstance", &private).await;
        sandbox.ok("ModifyDBInstance", &[("DBInstanceIdentifier", "orders-2"), private[1]]).await;
        assert!(!rds.admits("orders", INTERNET));
        sandbox.ok("ModifyDBInstance", &[private[0], ("PubliclyAccessible", "true")]).await;
        assert!(rds.admits("orders", INTERNET));
        rds.forbid("sg-dev", ANYWHERE);
        assert!(!rds.admits("orders", INTERNET));
        assert_eq!(
            (rds.place(WORKERS), rds.place("sg-app"), rds.place("sg-app")),
            (HOME, rds.place("sg-app"), [127, 0, 0, 2].into())
        );
    }
}
