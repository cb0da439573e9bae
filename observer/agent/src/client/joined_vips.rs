//! VIPs as several agents see them, joined into one row per address, or one per claimant where they differ.

use std::collections::BTreeMap;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::mac::Mac;
use flow_model::vip::{ApiClaim, Vip};
use serde::Serialize;

/// Holds a VIP and the nodes that see it so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Seen {
    #[serde(flatten)]
    pub(crate) vip: Vip,
    /// Node names. Empty when one agent was asked by its URL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) seen_by: Vec<ArcStr>,
}

/// Joins by address, then by claimant. A node outside the segment sees no claimant and so contradicts no other node.
pub(crate) fn join(reported: impl IntoIterator<Item = (Option<ArcStr>, Vip)>) -> Vec<Seen> {
    let mut views: BTreeMap<IpAddr, BTreeMap<Option<Mac>, Seen>> = BTreeMap::new();
    for (node, vip) in reported {
        let view = views.entry(vip.ip).or_default();
        let claimant = vip.claimant.as_ref().map(|claim| claim.mac);
        let seen = Seen { vip, seen_by: node.into_iter().collect() };
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
        seen_by: union(more.seen_by, less.seen_by),
    }
}

fn union<T: Ord>(mut a: Vec<T>, b: Vec<T>) -> Vec<T> {
    a.extend(b);
    a.sort();
    a.dedup();
    a
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
mod tests {
    use flow_model::vip::{Claim, ClaimSource};

    use super::*;
    use crate::sink::testing::{at, vip};

    fn claimed(mac: u8, last_seen: i64, moves: u64) -> Vip {
        let claim =
            Claim { mac: Mac([2, 0, 0, 0, 0, mac]), node: None, since: at(0), last_seen: at(last_seen) };
        Vip { claimant: Some(claim), moves, ..vip(&["data/db"]) }
    }

    fn rows(by: &[(&str, Vip)]) -> Vec<(Option<u8>, u64, String)> {
        let seen = join(by.iter().map(|(node, vip)| (Some((*node).into()), vip.clone())));
        let mac = |seen: &Seen| seen.vip.claimant.as_ref().map(|claim| claim.mac.0[5]);
        seen.iter().map(|seen| (mac(seen), seen.vip.moves, seen.seen_by.join(","))).collect()
    }

    #[test]
    fn nodes_that_agree_share_a_row() {
        let all =
            [("n1", claimed(1, 5, 2)), ("n3", claimed(2, 9, 3)), ("n2", claimed(1, 7, 1)), ("n4", vip(&[]))];
        assert_eq!(rows(&all), [(Some(1), 2, "n1,n2".to_owned()), (Some(2), 3, "n3".to_owned())]);
        assert_eq!(rows(&all[3..]), [(None, 0, "n4".to_owned())]);
    }

    #[test]
    fn claims_of_the_api_are_joined() {
        let api = |object: &str| ApiClaim {
            source: ClaimSource::Lease,
            object: object.into(),
            node: Some("n1".into()),
            since: None,
        };
        let with = |vip: Vip, objects: &[&str]| Vip { api: objects.iter().map(|o| api(o)).collect(), ..vip };
        let reported = [
            (Some("n1".into()), with(claimed(1, 5, 0), &["a/x"])),
            (Some("n2".into()), with(claimed(1, 6, 0), &["a/x", "a/y"])),
            (Some("n3".into()), with(vip(&["web/front"]), &["a/z"])),
        ];
        let joined = join(reported);
        let mut objects: Vec<_> = joined[0].vip.api.iter().map(|claim| claim.object.clone()).collect();
        objects.sort_unstable();
        assert_eq!(joined.len(), 1);
        assert_eq!(objects, ["a/x", "a/y", "a/z"]);
        assert_eq!(joined[0].vip.services, ["data/db", "web/front"]);
    }
}
