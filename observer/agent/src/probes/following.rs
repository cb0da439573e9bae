//! Follows the interfaces: attaches to each as it comes, tries again where that failed, and reports what can't be seen.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Instant;

use flow_model::blind_spot::{BlindReason, Unseen};
use tracing::{debug, info, warn};

use crate::netlink::links::{Link, Role};
use crate::netlink::peer;
use crate::probes::attach::{Attacher, Position};
use crate::probes::bypass::Bypasses;
use crate::probes::error::ProbeError;
use crate::probes::hidden::Hidden;
use crate::probes::hooks::Blind;
use crate::probes::sys::be_strict;
use crate::probes::witness::InSight;

type Attached = Box<dyn Fn(&'static str, bool) + Send>;

/// The place of blind spots that are about the node as a whole.
const NODE: &str = "node";

/// Owns the attacher, and knows where it failed.
pub(super) struct Following {
    pub(super) attacher: Attacher,
    bypasses: Bypasses,
    hidden: Hidden,
    in_sight: InSight,
    attached: Attached,
    blind: Blind,
    failed: HashMap<u32, (Link, BlindReason)>,
    in_front: HashMap<String, String>,
    bypassed: BTreeSet<String>,
}

impl Following {
    pub(super) fn new(
        attacher: Attacher,
        bypasses: Bypasses,
        (hidden, in_sight): (Hidden, InSight),
        attached: Attached,
        blind: Blind,
    ) -> Self {
        let (failed, in_front, bypassed) = (HashMap::new(), HashMap::new(), BTreeSet::new());
        Self { attacher, bypasses, hidden, in_sight, attached, blind, failed, in_front, bypassed }
    }

    /// Handles a new or changed link.
    pub(super) async fn up(&mut self, link: Link) {
        if let Err(error) = self.attacher.up(&link).await {
            self.unseen(link, &error).await;
        } else if self.forget(link.ifindex) && self.attacher.follows(link.ifindex) {
            info!(interface = link.name, "the interface is followed now");
        }
    }

    /// Handles a link that has gone.
    pub(super) fn gone(&mut self, ifindex: u32, name: &str) {
        self.attacher.gone(ifindex);
        self.in_sight.lose(ifindex);
        self.forget(ifindex);
        self.in_sight(name);
        self.bypasses.forget(ifindex);
        self.not_bypassed(name);
    }

    /// Tries again where attaching failed or what was attached is gone, and looks who runs before our programs.
    pub(super) async fn check(&mut self) {
        let failed: Vec<Link> = self.failed.values().map(|(link, _)| link.clone()).collect();
        for link in failed {
            self.up(link).await;
        }
        for (link, position) in self.attacher.positions().await {
            match position {
                Some(Position::Gone) => {
                    warn!(
                        interface = link.name,
                        "the agent's programs were removed; they are attached again"
                    );
                    self.attacher.forget(link.ifindex);
                    // What passed meanwhile proves no bypass.
                    self.bypasses.forget(link.ifindex);
                    self.in_sight.lose(link.ifindex);
                    self.up(link).await;
                }
                Some(Position::Behind(program)) => self.behind(&link, program).await,
                Some(Position::First) => self.in_sight(&link.name),
                // What was known of it still holds, as far as can be told.
                None => {}
            }
        }
        self.look_for_bypasses().await;
        self.look_for_hidden().await;
        self.note_in_sight();
        self.report();
    }

    /// Publishes the addresses of pods whose packets the programs should see.
    fn note_in_sight(&self) {
        let mut seen = Vec::new();
        for (ifindex, name) in self.attacher.pods() {
            if !self.in_front.contains_key(&name) && !self.bypassed.contains(&name) {
                let behind = self.hidden.behind(ifindex).into_iter();
                seen.extend(behind.map(|ip| (ip, ifindex, name.clone())));
            }
        }
        // Of two interfaces of a pod the same counts each time.
        seen.sort_unstable();
        self.in_sight.set(seen, Instant::now());
    }

    async fn look_for_bypasses(&mut self) {
        let now = Instant::now();
        for (ifindex, name) in self.attacher.pods() {
            match self.bypasses.look(ifindex, now) {
                Some(true) => self.bypassed(ifindex, &name).await,
                Some(false) => self.not_bypassed(&name),
                None => {}
            }
        }
    }

    /// Finds the pods that no followed interface leads to. Most of the time each pod's is known, and nothing is asked.
    async fn look_for_hidden(&mut self) {
        let in_sight: Vec<u32> = self
            .attacher
            .pods()
            .into_iter()
            .filter_map(|(ifindex, name)| (!self.in_front.contains_key(&name)).then_some(ifindex))
            .collect();
        if !self.hidden.is_unclear(&in_sight) {
            return;
        }
        let mut behind = HashMap::new();
        for ifindex in in_sight {
            match peer::addresses(ifindex, be_strict).await {
                Ok(addresses) => drop(behind.insert(ifindex, addresses)),
                Err(error) => {
                    debug!(%error, ifindex, "the addresses of the pod behind an interface can't be read");
                    return self.hidden.look(None);
                }
            }
        }
        self.hidden.look(Some(behind));
    }

    async fn bypassed(&mut self, ifindex: u32, interface: &str) {
        if self.bypassed.insert(interface.to_owned()) {
            let why = format!(
                "the pod behind {interface} answers packets that were not seen on their way into it: another program \
                 probably hands them over past this interface (`bpf_redirect_peer`, as Cilium's host routing does). \
                 What is sent to it may be missing; the outcomes of its own connections are told by its sockets where \
                 flow_observer_probe_attached{{probe=\"sockets\"}} is 1, and may be told late elsewhere. With Cilium, \
                 bpf.hostLegacyRouting=true mends it"
            );
            warn!("{why}");
            let addresses = addresses(ifindex).await;
            (self.blind)(BlindReason::Bypassed, interface, Some(Unseen { why, hides_pod: true, addresses }));
        }
    }

    fn not_bypassed(&mut self, interface: &str) {
        if self.bypassed.remove(interface) {
            (self.blind)(BlindReason::Bypassed, interface, None);
        }
    }

    async fn behind(&mut self, link: &Link, program: String) {
        let interface = &link.name;
        if self.in_front.get(interface) != Some(&program) {
            let why = format!(
                "`{program}` runs before the agent's program on {interface}: what it takes or passes on is not seen. \
                 `bpftool net show dev {interface}` names it; restart the agent to put its own first again"
            );
            warn!("{why}");
            let unseen = unseen(link, why).await;
            (self.blind)(BlindReason::InFront, interface, Some(unseen));
            self.in_front.insert(interface.clone(), program);
        }
    }

    fn in_sight(&mut self, interface: &str) {
        if self.in_front.remove(interface).is_some() {
            (self.blind)(BlindReason::InFront, interface, None);
        }
    }

    /// Reports whether each probe sees what it should.
    pub(super) fn report(&self) {
        let failed = |role| self.failed.values().any(|(link, _)| link.role == role);
        let hidden = |role| self.attacher.names(role).any(|name| self.in_front.contains_key(name));
        for (probe, role) in [("pods", Role::Pod), ("uplinks", Role::Uplink)] {
            let bypassed = role == Role::Pod && !self.bypassed.is_empty();
            (self.attached)(probe, !failed(role) && !hidden(role) && !bypassed);
        }
    }

    /// Reports whether an uplink is followed, once the interfaces are known.
    pub(super) fn uplinks(&self, count: usize) {
        let why = "no interface is known to lead to other machines: their connections and announcements are not seen; \
                   --uplink names one";
        (self.blind)(BlindReason::NoUplink, NODE, (count == 0).then(|| Unseen::elsewhere(why.to_owned())));
    }

    /// Reports whether drops are seen.
    pub(super) fn drops(&self, attached: &Result<(), String>) {
        (self.attached)("drops", attached.is_ok());
        if let Err(why) = attached {
            warn!("drops are not reported: {why}");
            let remedy = "`flow-observer doctor` names what is missing";
            let why = format!("drops are not reported: {why}; {remedy}");
            (self.blind)(BlindReason::NoDrops, NODE, Some(Unseen::elsewhere(why)));
        }
    }

    async fn unseen(&mut self, link: Link, error: &ProbeError) {
        let reason = match error {
            ProbeError::PlaceTaken { .. } => BlindReason::PlaceTaken,
            _ => BlindReason::AttachFailed,
        };
        if !self.failed.contains_key(&link.ifindex) {
            warn!(%error, "interface not followed; the agent tries again");
        }
        let remedy = match reason {
            BlindReason::PlaceTaken => "",
            _ => {
                "; the agent tries again every 10 s, and `flow-observer doctor` says what this kernel allows"
            }
        };
        let unseen = unseen(&link, format!("{error}{remedy}")).await;
        (self.blind)(reason, &link.name, Some(unseen));
        if let Some((before, other)) = self.failed.insert(link.ifindex, (link, reason))
            && other != reason
        {
            (self.blind)(other, &before.name, None);
        }
        self.report();
    }

    /// Forgets that attaching failed. Returns whether it had.
    fn forget(&mut self, ifindex: u32) -> bool {
        let Some((link, reason)) = self.failed.remove(&ifindex) else { return false };
        (self.blind)(reason, &link.name, None);
        self.report();
        true
    }
}

async fn unseen(link: &Link, why: String) -> Unseen {
    let hides_pod = link.role == Role::Pod;
    let addresses = if hides_pod { addresses(link.ifindex).await } else { Vec::new() };
    Unseen { why, hides_pod, addresses }
}

/// Returns the addresses of the pod behind an interface. Without them it has no name in the finding.
async fn addresses(ifindex: u32) -> Vec<IpAddr> {
    match peer::addresses(ifindex, be_strict).await {
        Ok(addresses) => addresses.into_iter().collect(),
        Err(error) => {
            debug!(%error, ifindex, "the addresses of the pod behind an interface can't be read");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
