use flow_model::mac::Mac;
use flow_model::vip::{ApiClaim, ClaimSource};

use super::*;
use crate::client::print::testing::look;
use crate::sink::testing::{at, vip};

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
        Seen { vip: held, seen_by: vec!["n1".into(), "n2".into()] },
        Seen { vip: vip(&[]), seen_by: vec![] },
    ];
    let text = VipTable { seen: &seen, look: &look(false) }.to_string();
    let expected = "\
VIP          SERVICE              CLAIMANT   MAC                SINCE                MOVES  API              SEEN BY
10.0.20.200  dbaas/postgresql-lb  k8s-node4  02:00:00:00:00:04  2026-11-18 11:06:40  3      lease k8s-node3  n1,n2
10.0.20.200  -                    -          -                  -                    0      -                -
";
    assert_eq!(text, expected);
    assert_eq!(VipTable { seen: &[], look: &look(true) }.to_string(), "");
}
