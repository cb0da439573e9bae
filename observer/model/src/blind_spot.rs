//! What the agent knows that it can't see.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr, VariantArray, VariantNames};

use crate::names::as_str;

/// The reason of a blind spot: the `reason` label of `blind_spots`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum BlindReason {
    /// The kernel refused a program on an interface. The agent tries again.
    AttachFailed,
    /// Another qdisc has the place of clsact on an interface, so that nothing can be attached there.
    PlaceTaken,
    /// Another program runs before the agent's on an interface, and may hide packets from it.
    InFront,
    /// A pod answers packets that were not seen on their way into it.
    Bypassed,
    /// A pod of this node is seen at the uplink only, or by its sockets: its interface is none that the agent follows.
    Unfollowed,
    /// The kernel tracks connections of a pod of this node that none of the agent's programs saw open, though its interface
    /// is followed.
    Unwitnessed,
    /// No interface leads to other machines, as far as is known: only traffic between pods here is seen.
    NoUplink,
    /// The drop probe is not attached.
    NoDrops,
    /// The kernel's counters can't be read.
    Counters,
    /// The log of the policies' enforcer can't be read, for example because another program reads it.
    EnforcerLog,
}

as_str!(BlindReason);

/// One blind spot, as `/readyz` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlindSpot {
    pub reason: BlindReason,
    /// The interface or the part of the agent that it is about.
    pub place: String,
    /// What can't be seen there, and what mends it.
    pub why: String,
    /// The place is an interface of a pod.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hides_pod: bool,
    /// The addresses of that pod, where they could be read. They are not shown, but name the pod in the finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub addresses: Vec<IpAddr>,
}

impl BlindSpot {
    /// Is true when a connection of this address may be unseen because of what is reported here. Behind an interface of which
    /// no address is known, such as an uplink, may be any.
    #[must_use]
    pub fn explains(&self, ip: IpAddr) -> bool {
        match self.reason {
            BlindReason::AttachFailed
            | BlindReason::PlaceTaken
            | BlindReason::InFront
            | BlindReason::Bypassed
            | BlindReason::Unfollowed => self.addresses.is_empty() || self.addresses.contains(&ip),
            BlindReason::Counters => true,
            BlindReason::Unwitnessed
            | BlindReason::NoUplink
            | BlindReason::NoDrops
            | BlindReason::EnforcerLog => false,
        }
    }
}

/// Says what can't be seen at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// What can't be seen, and what mends it.
    pub why: String,
    /// The place is an interface of a pod.
    pub hides_pod: bool,
    /// The addresses of that pod, where they could be read.
    pub addresses: Vec<IpAddr>,
}

impl Unseen {
    /// Returns what can't be seen at a place that is no interface of a pod.
    #[must_use]
    pub const fn elsewhere(why: String) -> Self {
        Self { why, hides_pod: false, addresses: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
