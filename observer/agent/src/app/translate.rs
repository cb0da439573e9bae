//! Adds what NAT did to a connection. Hooks see packets before or after NAT; connection tracking knows both sides.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow_model::flow::{FlowTuple, Phase, ResetCause, Side, Vantage};
use flow_model::input::{AttemptSeen, Input, ResetSeen};
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
/// backend sees the client: attempts that only the uplinks saw, and those to addresses that may lead to others. It also
/// tells why a client answered its backend with a RST.
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
        match input {
            Input::Attempt(seen) => self.attempt(seen),
            Input::Reset(seen) if seen.cause.is_some() => self.untranslated(seen),
            Input::Reset(seen) => self.orphan(seen),
            _ => {}
        }
    }

    fn attempt(&mut self, seen: &mut AttemptSeen) {
        if seen.tuple.backend.is_none()
            && (seen.vantage == Vantage::Transit || !self.pods.have(seen.tuple.dst))
            && let Some(conn) = self.find(client(&seen.tuple), server(&seen.tuple)).tracked()
            && (conn.backend().is_some() || masqueraded(&conn).is_some())
        {
            seen.tuple.backend = conn.backend();
            // The node of a pod judges its connections before it masquerades them.
            if seen.vantage == Vantage::Transit {
                seen.masqueraded = masqueraded(&conn);
            }
        }
    }

    /// Tells whether the connection is still tracked whose server's packet a client did not know.
    fn untranslated(&mut self, seen: &mut ResetSeen) {
        seen.cause = Some(match self.find(client(&seen.tuple), server(&seen.tuple)) {
            Found::Tracked(_) => ResetCause::ConntrackInvalid,
            Found::Nothing => ResetCause::ConntrackGone,
            Found::Unknown => ResetCause::NotTranslated,
        });
    }

    /// Recognises a client's RST to the backend of a connection that no hook knows, as its start was not seen.
    fn orphan(&mut self, seen: &mut ResetSeen) {
        let tuple = &seen.tuple;
        if seen.phase == Phase::Orphan
            && seen.by == Side::Client
            && seen.vantage == Vantage::Source
            && tuple.backend.is_none()
            && self.pods.have(tuple.dst)
            && let Some(conn) = self.find(server(tuple), client(tuple)).tracked()
            && conn.backend() == Some((tuple.dst, tuple.dport))
            && (conn.orig_src, conn.orig_sport) == (tuple.src, tuple.sport)
        {
            seen.tuple.backend = conn.backend();
            (seen.tuple.dst, seen.tuple.dport) = (conn.orig_dst, conn.orig_dport);
            seen.cause = Some(ResetCause::ConntrackInvalid);
        }
    }

    fn find(&mut self, src: SocketAddr, dst: SocketAddr) -> Found {
        if !self.may_look_up() {
            return Found::Unknown;
        }
        let Some(lookup) = self.lookup.as_mut() else { return Found::Unknown };
        match lookup.find(src, dst) {
            Ok(Some(conn)) => Found::Tracked(conn),
            Ok(None) => Found::Nothing,
            Err(NetlinkError::NoConntrack(_)) => Found::Unknown,
            Err(error) => {
                debug!(%error, "the lookup in connection tracking failed");
                if matches!(error, NetlinkError::ConntrackDenied(_)) {
                    self.lookup = None;
                }
                Found::Unknown
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

/// What connection tracking says about a connection.
enum Found {
    Tracked(Conn),
    Nothing,
    /// It could not be asked, or not once more in this second.
    Unknown,
}

impl Found {
    fn tracked(self) -> Option<Conn> {
        if let Self::Tracked(conn) = self { Some(conn) } else { None }
    }
}

fn client(tuple: &FlowTuple) -> SocketAddr {
    SocketAddr::new(tuple.src, tuple.sport)
}

fn server(tuple: &FlowTuple) -> SocketAddr {
    SocketAddr::new(tuple.dst, tuple.dport)
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
