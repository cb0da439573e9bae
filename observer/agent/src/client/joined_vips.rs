//! VIPs as several agents see them, joined into one row per address, or one per claimant where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::mac::Mac;
use flow_model::vip::{ApiClaim, KnownVip, Vip};
use jiff::Timestamp;
use serde::Serialize;

use crate::client::union::union;

/// Holds a VIP and the nodes that see it so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Seen {
    #[serde(flatten)]
    pub(crate) vip: Vip,
    /// Without a claimant: the time since which one of the nodes has listened and heard none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_heard_since: Option<Timestamp>,
    /// Node names. Empty when one agent was asked by its URL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) seen_by: Vec<ArcStr>,
}

/// Joins by address, then by claimant. A node outside the segment sees no claimant and so contradicts no other node, and one
/// that only receives connections contradicts none that heard an announcement.
pub(crate) fn join(reported: impl IntoIterator<Item = (Option<ArcStr>, KnownVip)>) -> Vec<Seen> {
    let mut views: BTreeMap<IpAddr, BTreeMap<Option<Mac>, Seen>> = BTreeMap::new();
    let reported: Vec<_> = reported.into_iter().collect();
    let heard = |vip: &Vip| vip.claimant.as_ref().is_some_and(|claim| !claim.received);
    let announced: BTreeSet<IpAddr> =
        reported.iter().map(|(_, known)| &known.vip).filter(|vip| heard(vip)).map(|vip| vip.ip).collect();
    for (node, KnownVip { mut vip, not_heard_since }) in reported {
        if announced.contains(&vip.ip) {
            vip.claimant.take_if(|claim| claim.received);
        }
        let view = views.entry(vip.ip).or_default();
        let claimant = vip.claimant.as_ref().map(|claim| claim.mac);
        let seen = Seen { vip, not_heard_since, seen_by: node.into_iter().collect() };
        let joined = match view.remove(&claimant) {
            Some(other) => both(other, seen),
            None => seen,
        };
        view.insert(claimant, joined);
    }
    views.into_values().flat_map(merge_views_without_claimant).collect()
}

/// Removes the view without a claimant where there are others, but keeps what those nodes know from the API.
fn merge_views_without_claimant(mut view: BTreeMap<Option<Mac>, Seen>) -> impl Iterator<Item = Seen> {
    if view.len() > 1
        && let Some(unclaimed) = view.remove(&None)
        && let Some(mut first) = view.first_entry()
    {
        let Vip { services, api, .. } = unclaimed.vip;
        let seen = first.get_mut();
        seen.vip.services = union(std::mem::take(&mut seen.vip.services), services);
        seen.vip.api = claims(std::mem::take(&mut seen.vip.api), api);
    }
    view.into_values()
}

/// Joins two views with the same claimant. Moves and times come from the node that has seen more moves.
fn both(a: Seen, b: Seen) -> Seen {
    let rank = |seen: &Seen| (seen.vip.moves, seen.vip.claimant.as_ref().map(|claim| claim.last_seen));
    let (more, less) = if rank(&a) >= rank(&b) { (a, b) } else { (b, a) };
    Seen {
        vip: Vip {
            services: union(more.vip.services, less.vip.services),
            api: claims(more.vip.api, less.vip.api),
            ..more.vip
        },
        not_heard_since: more.not_heard_since.into_iter().chain(less.not_heard_since).min(),
        seen_by: union(more.seen_by, less.seen_by),
    }
}

fn claims(mut a: Vec<ApiClaim>, b: Vec<ApiClaim>) -> Vec<ApiClaim> {
    for claim in b {
        let same = |other: &ApiClaim| {
            (other.source, &other.object, &other.node) == (claim.source, &claim.object, &claim.node)
        };
        if !a.iter().any(same) {
            a.push(claim);
        }
    }
    a
}

#[cfg(test)]
mod tests;
