//! The site of the incident: Postgres on two nodes behind a load-balancer address, and a client on the LAN.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use flow_model::mac::Mac;

use super::{Hold, Traffic, Vip, neighbour};
use crate::agent::Agent;
use crate::announce::{Pattern, Wire};
use crate::cluster::{Balancer, ServiceSpec};
use crate::lan::Host;
use crate::node::Node;
use crate::pod::Pod;
use crate::traffic::{Conversation, Server, connect};
use crate::world::World;
use crate::{overlay, wait};

/// Postgres' port.
pub const PORT: u16 = 5432;
/// The address of the incident.
pub const VIP4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 20, 200));
/// The same in IPv6.
pub const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd20, 0, 0, 0, 0, 0, 0, 200));
/// The Service that has them, as the agent names it.
pub const SERVICE: &str = "dbaas/postgresql-lb";
/// The nodes, unless a [`Setup`] has other names.
pub const NODES: [&str; 2] = ["node3", "node4"];

const NAMESPACE: &str = "dbaas";
const NAME: &str = "postgresql-lb";
const WORKLOAD: &str = "postgres";
const KUBELET: u16 = 10250;
const CLUSTER_IPS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 43, 20, 200)), IpAddr::V6(Ipv6Addr::new(0xfd43, 0, 0, 0, 0, 0, 0, 200))];

/// The properties in which sites differ.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub nodes: [&'static str; 2],
    pub vip: IpAddr,
    pub hold: Hold,
    pub traffic: Traffic,
    /// Only the first node has a pod, which both serve.
    pub shared: bool,
    /// The nodes have never spoken to each other, and the second never asks for the first.
    pub strangers: bool,
    /// The first node has its address on a bridge, and the LAN is behind a port of that.
    pub bridged: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            nodes: NODES,
            vip: VIP4,
            hold: Hold::Speaker,
            traffic: Traffic::Local,
            shared: false,
            strangers: false,
            bridged: false,
        }
    }
}

/// Two nodes and their services. Field order is drop order.
#[derive(Debug)]
pub struct Site {
    pub vip: Vip,
    pub servings: Vec<Server>,
    pub pods: Vec<Pod>,
    pub client: Host,
    pub second: Node,
    pub world: World,
    setup: Setup,
}

impl Site {
    /// Builds it. No node has the address yet.
    ///
    /// # Errors
    /// Fails when a tool fails.
    pub fn new(setup: Setup) -> Result<Self> {
        let world = World::numbered(setup.nodes[0], 3)?;
        if setup.bridged {
            world.node.bridge_uplink()?;
        }
        let second = world.add_node(setup.nodes[1], 4)?;
        let client = world.lan.host(&world.guard, "client", 50)?;
        let mut pods = vec![world.pod_on(&world.node, NAMESPACE, WORKLOAD)?];
        if setup.shared {
            overlay::join(&[&world.node, &second])?;
        } else {
            pods.push(world.pod_on(&second, NAMESPACE, WORKLOAD)?);
        }
        let servings = pods.iter().map(|pod| Server::start(&pod.ns, PORT)).collect::<Result<_>>()?;
        let vip = Vip::new(SocketAddr::new(setup.vip, PORT), setup.hold);
        let site = Self { vip, servings, pods, client, second, world, setup };
        for (node, pod) in site.nodes().into_iter().zip(site.pods.iter().cycle()) {
            site.vip.serve(node, site.backend(pod), setup.traffic)?;
        }
        site.describe(&site.pods.iter().collect::<Vec<_>>())?;
        if setup.strangers {
            site.hide()?;
        } else {
            site.meet()?;
        }
        Ok(site)
    }

    /// Lets the nodes learn each other's MAC, as in a cluster, where they exchange packets all the time.
    fn meet(&self) -> Result<()> {
        let [first, second] = self.nodes();
        match connect(&first.ns, (second.ip4(), KUBELET).into()) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            other => bail!("nodes without a kubelet refuse, not {other:?}"),
        }
    }

    /// Gives the second node entries for the first, so that it never says its own addresses by asking for them.
    fn hide(&self) -> Result<()> {
        let [first, second] = self.nodes();
        let mac = Wire::open(&first.ns)?.mac();
        for ip in [IpAddr::from(first.ip4()), first.ip6().into()] {
            second.ns.ip(format!("neigh replace {ip} lladdr {mac} dev eth0 nud permanent"))?;
        }
        Ok(())
    }

    /// Returns both nodes.
    #[must_use]
    pub fn nodes(&self) -> [&Node; 2] {
        [&self.world.node, &self.second]
    }

    /// Returns a pod's address, in the family of the VIP.
    #[must_use]
    pub fn backend(&self, pod: &Pod) -> SocketAddr {
        if self.setup.vip.is_ipv4() { pod.at(PORT) } else { pod.at6(PORT) }
    }

    /// Returns the client's address, in the family of the VIP.
    #[must_use]
    pub fn client_ip(&self) -> IpAddr {
        if self.setup.vip.is_ipv4() { self.client.ip4.into() } else { self.client.ip6.into() }
    }

    /// Lists the Service with these backends.
    ///
    /// # Errors
    /// Fails when a file can't be written.
    pub fn describe(&self, backends: &[&Pod]) -> Result<()> {
        let service = ServiceSpec {
            namespace: NAMESPACE,
            name: NAME,
            cluster_ips: &CLUSTER_IPS,
            port: PORT,
            target_port: PORT,
        };
        let local = self.setup.traffic == Traffic::Local;
        self.world.cluster.balancer(&Balancer { service, vips: &[self.setup.vip], local }, backends)
    }

    /// Lists a `ServiceL2Status` by which a node announces the Service.
    ///
    /// # Errors
    /// Fails when the file can't be written.
    pub fn l2_status(&self, name: &str, node: &str) -> Result<()> {
        self.world.cluster.l2_status(name, (NAMESPACE, NAME), node)
    }

    /// Starts the agent on each node.
    ///
    /// # Errors
    /// Fails as [`Agent::start`] does.
    pub fn agents(&self, args: &[&str]) -> Result<[Agent; 2]> {
        // Here the LAN is behind a veth, which as a port of a bridge looks like a pod's.
        let port: &[&str] = if self.setup.bridged { &["--uplink", "+eth0"] } else { &[] };
        let args = &[args, port].concat();
        Ok([self.world.agent_on(&self.world.node, args)?, self.world.agent_on(&self.second, args)?])
    }

    /// Moves the address to node number `to`, 0 or 1. When it returns, the client sends there.
    ///
    /// # Errors
    /// Fails when a tool fails, or the client doesn't follow.
    pub fn move_to(&mut self, to: usize, pattern: Pattern) -> Result<Mac> {
        let node = [&self.world.node, &self.second][to];
        let mac = self.vip.move_to(node, pattern)?;
        self.client_follows(mac)?;
        Ok(mac)
    }

    /// Waits until the client, if it knows the address at all, sends to `mac`.
    ///
    /// # Errors
    /// Fails when the client doesn't do so in time.
    pub fn client_follows(&self, mac: Mac) -> Result<()> {
        wait::until("the client to follow the address", wait::DEADLINE, || {
            neighbour(&self.client, self.setup.vip)
                .ok()
                .filter(|known| known.is_none_or(|known| known == mac))
        })
        .map(drop)
    }

    /// Opens connections of the client to the address, each used once.
    ///
    /// # Errors
    /// Fails when a connection isn't served.
    pub fn converse(&self, count: usize) -> Result<Vec<Conversation>> {
        let to = self.vip.at();
        let open = || -> Result<Conversation> {
            let mut open = connect(&self.client.ns, to).with_context(|| format!("connect to {to}"))?;
            open.echo().with_context(|| format!("talk to {to}"))?;
            Ok(open)
        };
        (0..count).map(|_| open()).collect()
    }
}

#[cfg(test)]
mod tests;
