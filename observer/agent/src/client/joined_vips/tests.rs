use flow_model::vip::{Claim, ClaimSource};

use super::*;
use crate::sink::testing::{at, vip};

fn claimed(mac: u8, last_seen: i64, moves: u64) -> Vip {
    let claim = Claim {
        mac: Mac([2, 0, 0, 0, 0, mac]),
        node: None,
        since: at(0),
        last_seen: at(last_seen),
        received: false,
    };
    Vip { claimant: Some(claim), moves, ..vip(&["data/db"]) }
}

fn rows(by: &[(&str, Vip)]) -> Vec<(Option<u8>, u64, String)> {
    let known = |vip: &Vip| KnownVip { vip: vip.clone(), not_heard_since: None };
    let seen = join(by.iter().map(|(node, vip)| (Some((*node).into()), known(vip))));
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
fn who_only_receives_contradicts_no_announcement() {
    let mut received = claimed(3, 9, 0);
    received.claimant.as_mut().unwrap().received = true;
    let all = [("n1", claimed(1, 5, 2)), ("n3", received)];
    assert_eq!(rows(&all).iter().map(|(mac, ..)| *mac).collect::<Vec<_>>(), [Some(1)]);
    assert_eq!(rows(&all[1..]), [(Some(3), 0, "n3".to_owned())]);
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
    let joined = join(reported.map(|(node, vip)| (node, KnownVip { vip, not_heard_since: None })));
    let mut objects: Vec<_> = joined[0].vip.api.iter().map(|claim| claim.object.clone()).collect();
    objects.sort_unstable();
    assert_eq!(joined.len(), 1);
    assert_eq!(objects, ["a/x", "a/y", "a/z"]);
    assert_eq!(joined[0].vip.services, ["data/db", "web/front"]);
}

#[test]
fn the_node_that_listens_for_longest_says_since_when_none_was_heard() {
    let silent =
        |node: &str, since| (Some(node.into()), KnownVip { vip: vip(&[]), not_heard_since: Some(at(since)) });
    assert_eq!(join([silent("n1", 9), silent("n2", 5)])[0].not_heard_since, Some(at(5)));
    let heard = (Some("n3".into()), KnownVip { vip: claimed(1, 9, 0), not_heard_since: None });
    assert_eq!(join([silent("n1", 5), heard])[0].not_heard_since, None);
}
