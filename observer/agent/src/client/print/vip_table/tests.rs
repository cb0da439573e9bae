use flow_model::mac::Mac;
use flow_model::vip::{ApiClaim, ClaimSource};

use super::*;
use crate::client::print::testing::look;
use crate::sink::testing::{at, vip};

fn table<'a>(seen: &'a [Seen], look: &'a Look) -> VipTable<'a> {
    VipTable { seen, look, now: at(3_000), heard_from: Some(at(1_000)) }
}

/// After a restart: the wire has been silent, and the API repeats what it said before.
#[test]
fn what_was_not_heard_is_called_that_and_statements_have_their_age() {
    let api = |source, since| ApiClaim {
        source,
        object: "dbaas/postgresql-lb".into(),
        node: Some("n1".into()),
        since: Some(at(since)),
    };
    let sources = [(ClaimSource::Event, 480), (ClaimSource::Event, 2_990), (ClaimSource::L2Status, -400_000)];
    let vip = Vip { api: sources.map(|(source, since)| api(source, since)).into(), ..vip(&[]) };
    let seen = [Seen { vip, not_heard_since: Some(at(1_002)), seen_by: vec![] }];
    let text = table(&seen, &look(false)).to_string();
    for part in [
        "  not heard since 2026-11-18 11:23:22  -",
        "event n1 (first 42m ago, before the agent's start), event n1 (first 10s ago), l2status n1 (for 4d)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn one_row_per_address() {
    let claim = Claim {
        mac: Mac([2, 0, 0, 0, 0, 4]),
        node: Some("k8s-node4".into()),
        since: at(0),
        last_seen: at(5),
        received: false,
    };
    let api = ApiClaim {
        source: ClaimSource::Lease,
        object: "kube-system/plndr-svcs-lock".into(),
        node: Some("k8s-node3".into()),
        since: None,
    };
    let held = Vip { claimant: Some(claim), moves: 3, api: vec![api], ..vip(&["dbaas/postgresql-lb"]) };
    let seen = [
        Seen { vip: held, not_heard_since: None, seen_by: vec!["n1".into(), "n2".into()] },
        Seen { vip: vip(&[]), not_heard_since: None, seen_by: vec![] },
    ];
    let text = table(&seen, &look(false)).to_string();
    let expected = "\
VIP          SERVICE              CLAIMANT   MAC                SINCE                MOVES  API              SEEN BY
10.0.20.200  dbaas/postgresql-lb  k8s-node4  02:00:00:00:00:04  2026-11-18 11:06:40  3      lease k8s-node3  n1,n2
10.0.20.200  -                    -          -                  -                    0      -                -
";
    assert_eq!(text, expected);
    assert_eq!(table(&[], &look(true)).to_string(), "");
}
