//! Follows the interfaces: attaches to each as it comes, tries again where that failed, and reports what can't be seen.

use std::collections::HashMap;

use flow_model::blind_spot::BlindSpot;
use tracing::{info, warn};

use crate::netlink::links::{Link, Role};
use crate::probes::attach::{Attacher, Position};
use crate::probes::error::ProbeError;
use crate::probes::hooks::Blind;

type Attached = Box<dyn Fn(&'static str, bool) + Send>;

/// The place of blind spots that are about the node as a whole.
const NODE: &str = "node";

/// Owns the attacher, and knows where it failed.
pub(super) struct Following {
    pub(super) attacher: Attacher,
    attached: Attached,
    blind: Blind,
    failed: HashMap<u32, (Link, BlindSpot)>,
    in_front: HashMap<String, String>,
}

impl Following {
    pub(super) fn new(attacher: Attacher, attached: Attached, blind: Blind) -> Self {
        Self { attacher, attached, blind, failed: HashMap::new(), in_front: HashMap::new() }
    }

    /// Handles a new or changed link.
    pub(super) async fn up(&mut self, link: Link) {
        if let Err(error) = self.attacher.up(&link).await {
            self.unseen(link, &error);
        } else if self.forget(link.ifindex) && self.attacher.follows(link.ifindex) {
            info!(interface = link.name, "the interface is followed now");
        }
    }

    /// Handles a link that has gone.
    pub(super) fn gone(&mut self, ifindex: u32, name: &str) {
        self.attacher.gone(ifindex);
        self.forget(ifindex);
        self.in_sight(name);
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
                    self.up(link).await;
                }
                Some(Position::Behind(program)) => self.behind(link.name, program),
                Some(Position::First) => self.in_sight(&link.name),
                // What was known of it still holds, as far as can be told.
                None => {}
            }
        }
        self.report();
    }

    fn behind(&mut self, interface: String, program: String) {
        if self.in_front.get(&interface) != Some(&program) {
            let why = format!(
                "`{program}` runs before the agent's program on {interface}: what it takes or passes on is not seen. \
                 `bpftool net show dev {interface}` names it; restart the agent to put its own first again"
            );
            warn!("{why}");
            (self.blind)(BlindSpot::InFront, &interface, Some(why));
            self.in_front.insert(interface, program);
        }
    }

    fn in_sight(&mut self, interface: &str) {
        if self.in_front.remove(interface).is_some() {
            (self.blind)(BlindSpot::InFront, interface, None);
        }
    }

    /// Reports whether each probe sees what it should.
    pub(super) fn report(&self) {
        let failed = |role| self.failed.values().any(|(link, _)| link.role == role);
        let hidden = |role| self.attacher.names(role).any(|name| self.in_front.contains_key(name));
        for (probe, role) in [("pods", Role::Pod), ("uplinks", Role::Uplink)] {
            (self.attached)(probe, !failed(role) && !hidden(role));
        }
    }

    /// Reports whether an uplink is followed, once the interfaces are known.
    pub(super) fn uplinks(&self, count: usize) {
        let why = "no interface is known to lead to other machines: their connections and announcements are not seen; \
                   --uplink names one";
        (self.blind)(BlindSpot::NoUplink, NODE, (count == 0).then(|| why.to_owned()));
    }

    /// Reports whether drops are seen.
    pub(super) fn drops(&self, attached: &Result<(), String>) {
        (self.attached)("drops", attached.is_ok());
        if let Err(why) = attached {
            warn!("drops are not reported: {why}");
            let remedy = "`flow-observer doctor` names what is missing";
            (self.blind)(BlindSpot::NoDrops, NODE, Some(format!("drops are not reported: {why}; {remedy}")));
        }
    }

    fn unseen(&mut self, link: Link, error: &ProbeError) {
        let reason = match error {
            ProbeError::PlaceTaken { .. } => BlindSpot::PlaceTaken,
            _ => BlindSpot::AttachFailed,
        };
        if !self.failed.contains_key(&link.ifindex) {
            warn!(%error, "interface not followed; the agent tries again");
        }
        let remedy = match reason {
            BlindSpot::PlaceTaken => "",
            _ => {
                "; the agent tries again every 10 s, and `flow-observer doctor` says what this kernel allows"
            }
        };
        (self.blind)(reason, &link.name, Some(format!("{error}{remedy}")));
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
