//! The part that each client pod has in an episode: a workload's pods share a finding, and each has Events of its own.

use std::collections::VecDeque;

use arcstr::ArcStr;
use flow_model::finding::Share;
use flow_model::record::Endpoint;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// At most this many pods are kept; the one that failed longest ago gives way, and starts anew when it comes back.
const MAX: usize = 64;

/// Counts the failures of each client pod. The newest is the last.
#[derive(Debug, Serialize, Deserialize, Default)]
pub(super) struct Shares(VecDeque<(PodName, Share)>);

type PodName = (ArcStr, ArcStr);

impl Shares {
    /// Counts failures of this client, if it is a pod.
    pub(super) fn add(&mut self, client: &Endpoint, time: Timestamp, count: u64) {
        let Some(name) = name(client) else { return };
        let known = self.0.iter().position(|(pod, _)| *pod == name).and_then(|at| self.0.remove(at));
        let mut share = known.map_or(Share { count: 0, first_seen: time }, |(_, share)| share);
        share.count = share.count.saturating_add(count);
        if self.0.len() == MAX {
            self.0.pop_front();
        }
        self.0.push_back((name, share));
    }

    /// Returns the part of this client.
    pub(super) fn of(&self, client: &Endpoint) -> Option<Share> {
        let name = name(client)?;
        self.0.iter().rev().find(|(pod, _)| *pod == name).map(|(_, share)| *share)
    }
}

fn name(client: &Endpoint) -> Option<PodName> {
    client.namespace.clone().zip(client.pod.clone())
}
