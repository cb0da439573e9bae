//! Watches the connections of the pods that are in sight, and reports those whose connections are not seen.

use std::net::IpAddr;
use std::time::Instant;

use flow_model::blind_spot::{BlindReason, Unseen};
use tracing::{info, warn};

use super::in_sight::InSight;
use super::judge::{End, Judge};
use crate::netlink::conntrack::Conn;
use crate::probes::error::ProbeError;
use crate::probes::hooks::Blind;

/// Is true for an address of which something else is known to hide traffic.
pub type Explained = Box<dyn Fn(IpAddr) -> bool + Send>;

pub(super) struct Watch {
    in_sight: InSight,
    explained: Explained,
    blind: Blind,
    judge: Judge,
}

impl Watch {
    pub(super) fn new(in_sight: InSight, explained: Explained, blind: Blind) -> Self {
        Self { in_sight, explained, blind, judge: Judge::default() }
    }

    /// Handles a connection that opened. One that nobody saw counts where its pod is in sight since before `settled`. `knows`
    /// tells whether somebody saw it.
    pub(super) fn connection(
        &mut self,
        conn: &Conn,
        settled: Option<Instant>,
        now: Instant,
        knows: impl FnOnce() -> Result<bool, ProbeError>,
    ) -> Result<(), ProbeError> {
        let (client, server) = (conn.orig_src.to_canonical(), conn.reply_src.to_canonical());
        // What a pod says to itself by its Service tells nothing of others.
        if !conn.from_syn || client == server {
            return Ok(());
        }
        let is_settled = |ip| settled.is_some_and(|settled| self.in_sight.is_since(ip, settled));
        let ends = [(client, End::Client), (server, End::Server)];
        let ends = ends.map(|(ip, end)| (ip, end, is_settled(ip), self.judge.watches(ip, end)));
        if !ends.iter().any(|(.., settled, watched)| *settled || *watched) {
            return Ok(());
        }
        let is_known = knows()?;
        // What hides one side hides the connection.
        if !is_known && [client, server].into_iter().any(&self.explained) {
            return Ok(());
        }
        for (ip, end, settled, watched) in ends {
            if is_known && watched {
                self.seen(ip, end);
            } else if !is_known && settled {
                self.unseen(ip, end, now);
            }
        }
        Ok(())
    }

    /// Ends what is over without a connection: the address is not in sight any more, or something else explains it.
    pub(super) fn end(&mut self) {
        let (in_sight, explained) = (&self.in_sight, &self.explained);
        let gone = self.judge.forget(|ip| in_sight.interface(ip).is_none() || explained(ip));
        for ip in gone {
            (self.blind)(BlindReason::Unwitnessed, &ip.to_string(), None);
        }
    }

    fn seen(&mut self, ip: IpAddr, end: End) {
        if self.judge.seen(ip, end) && !self.judge.is_blind(ip) {
            info!(%ip, "connections of the pod are seen again");
            (self.blind)(BlindReason::Unwitnessed, &ip.to_string(), None);
        }
    }

    fn unseen(&mut self, ip: IpAddr, end: End, now: Instant) {
        let Some(interface) = self.in_sight.interface(ip) else { return };
        let was_blind = self.judge.is_blind(ip);
        if self.judge.unseen(ip, end, now) && !was_blind {
            let why = why(ip, end, &interface);
            warn!("{why}");
            let unseen = Unseen { why, hides_pod: true, addresses: vec![ip] };
            (self.blind)(BlindReason::Unwitnessed, &ip.to_string(), Some(unseen));
        }
    }
}

fn why(ip: IpAddr, end: End, interface: &str) -> String {
    let which = match end {
        End::Client => format!("connections that {ip} opens"),
        End::Server => format!("connections to {ip}"),
    };
    format!(
        "the kernel's connection tracking holds {which}, but none of the agent's programs saw them open: they probably take \
         another way than {interface}, which is followed, such as a second interface of the pod, a tunnel or an XDP program. \
         `ip route` and `ip -d link` in the pod and `bpftool net` on the node show it; what passes {interface} is seen"
    )
}

#[cfg(test)]
mod tests;
