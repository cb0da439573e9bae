//! Adds what NAT did to a connection. Hooks see packets before or after NAT; connection tracking knows both sides.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow_model::flow::{FlowTuple, Vantage};
use flow_model::input::Input;
use flow_model::inventory::Inventory;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::netlink::NetlinkError;
use crate::netlink::conntrack::{Conn, Lookup};
use crate::probes::Complete;

/// Most lookups per second: they cost about 1 % of a core.
const RATE: u32 = 2_000;
const SECOND: Duration = Duration::from_secs(1);

/// Returns a function that adds the backend to attempts whose backend no hook has seen, and the address under which the
/// backend sees the client: attempts that only the uplinks saw, and those to addresses that may lead to others.
pub(super) fn completer(mut inventories: watch::Receiver<Arc<Inventory>>) -> Complete {
    inventories.mark_changed();
    match Lookup::new() {
        Ok(lookup) => {
            let pods = Pods { inventories, addresses: HashSet::new() };
            let translator =
                Translator { lookup: Some(lookup), pods, since: Instant::now(), asked: 0, warned: false };
            let translator = Mutex::new(translator);
            Arc::new(move |input| translator.lock().complete(input))
        }
        Err(error) => {
            debug!(%error, "connections are reported as the probes see them");
            Arc::new(|_| {})
        }
    }
}

struct Translator {
    /// Is `None` after the kernel has denied access.
    lookup: Option<Lookup>,
    pods: Pods,
    since: Instant,
    asked: u32,
    warned: bool,
}

impl Translator {
    fn complete(&mut self, input: &mut Input) {
        if let Input::Attempt(seen) = input
            && seen.tuple.backend.is_none()
            && (seen.vantage == Vantage::Transit || !self.pods.have(seen.tuple.dst))
            && let Some(conn) = self.find(&seen.tuple)
        {
            seen.tuple.backend = conn.backend();
            // The node of a pod judges its connections before it masquerades them.
            if seen.vantage == Vantage::Transit {
                seen.masqueraded = masqueraded(&conn);
            }
        }
    }

    /// Returns the connection, if NAT changes it.
    fn find(&mut self, tuple: &FlowTuple) -> Option<Conn> {
        let (src, dst) = (SocketAddr::new(tuple.src, tuple.sport), SocketAddr::new(tuple.dst, tuple.dport));
        if !self.may_look_up() {
            return None;
        }
        match self.lookup.as_mut()?.find(src, dst) {
            Ok(conn) => conn.filter(|conn| conn.backend().is_some() || masqueraded(conn).is_some()),
            Err(NetlinkError::NoConntrack(_)) => None,
            Err(error) => {
                debug!(%error, "the lookup in connection tracking failed");
                if matches!(error, NetlinkError::ConntrackDenied(_)) {
                    self.lookup = None;
                }
                None
            }
        }
    }

    fn may_look_up(&mut self) -> bool {
        if self.since.elapsed() >= SECOND {
            (self.since, self.asked) = (Instant::now(), 0);
        }
        self.asked += 1;
        if self.asked == RATE && !std::mem::replace(&mut self.warned, true) {
            warn!(
                per_second = RATE,
                "more connections than can be looked up in connection tracking: some are reported without their backend; this is logged once"
            );
        }
        self.asked < RATE
    }
}

fn masqueraded(conn: &Conn) -> Option<IpAddr> {
    (conn.reply_dst != conn.orig_src).then_some(conn.reply_dst)
}

/// Knows the addresses of pods. Every other address may lead to another: a Service's, a node's, or one that only a firewall
/// knows.
struct Pods {
    inventories: watch::Receiver<Arc<Inventory>>,
    addresses: HashSet<IpAddr>,
}

impl Pods {
    fn have(&mut self, address: IpAddr) -> bool {
        if self.inventories.has_changed().unwrap_or(false) {
            self.addresses = pod_addresses(&self.inventories.borrow_and_update());
        }
        self.addresses.contains(&address)
    }
}

fn pod_addresses(inventory: &Inventory) -> HashSet<IpAddr> {
    let pods = inventory.pods.iter().filter(|pod| !pod.host_network && !pod.finished);
    pods.flat_map(|pod| pod.ips.iter().copied()).collect()
}
