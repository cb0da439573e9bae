//! VIPs whose last announcement came before the agent started, and holders to which its node has never spoken.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use lab::agent::Agent;
use lab::traffic::connect;
use lab::vip::{Hold, NODES, Setup, Site, VIP4, VIP6};
use serde_json::Value;

use crate::stage::metallb;

/// The time limit from the first packet for a VIP to the name of its holder.
const NAMED: Duration = Duration::from_secs(10);
/// A port that nobody serves, which no Service rewrites.
const OTHER_PORT: u16 = 7;

/// Builds a site where the second node has the VIP. Its nodes have never spoken to each other.
fn held_by_a_stranger(vip: IpAddr) -> Site {
    let mut site =
        Site::new(Setup { vip, hold: Hold::Address, strangers: true, ..Setup::default() }).unwrap();
    site.move_to(1, metallb()).unwrap();
    site
}

fn claimant(agent: &Agent, vip: IpAddr) -> Value {
    agent.wait_for("the VIP", |agent| agent.vip(vip).ok()?).unwrap()["claimant"].clone()
}

/// Waits until the second node is named as the holder.
fn named(agent: &Agent, vip: IpAddr, since: Instant) -> Value {
    let found = agent.wait_for("the holder's name", |agent| {
        let claimant = agent.vip(vip).ok()??["claimant"].clone();
        (claimant["node"] == NODES[1]).then_some(claimant)
    });
    let found = found.unwrap_or_else(|e| panic!("{e}: {:?}", agent.vip(vip)));
    assert!(since.elapsed() < NAMED, "named after {:?}", since.elapsed());
    found
}

/// This node sends a packet to the VIP, and so learns the Ethernet address of its holder, but not whose it is.
#[test]
fn a_stranger_that_holds_a_vip_is_named() {
    for vip in [VIP4, VIP6] {
        let site = held_by_a_stranger(vip);
        let [first, second] = site.nodes();
        let agent = site.world.agent_on(first, &[]).unwrap();
        assert_eq!(claimant(&agent, vip), Value::Null);
        for ip in [IpAddr::from(second.ip4()), second.ip6().into()] {
            assert_eq!(first.ns.ip(format!("neigh show {ip}")).unwrap().trim(), "");
        }
        let start = Instant::now();
        let refused = connect(&first.ns, (vip, OTHER_PORT).into()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let found = named(&agent, vip, start);
        assert_eq!(found["received"], Value::Null, "it answered for the address: {found}");
    }
}

#[test]
fn the_node_that_receives_a_vip_s_packets_holds_it() {
    for vip in [VIP4, VIP6] {
        let site = held_by_a_stranger(vip);
        let agent = site.world.agent_on(&site.second, &[]).unwrap();
        assert_eq!(claimant(&agent, vip), Value::Null);
        let start = Instant::now();
        site.converse(1).unwrap();
        named(&agent, vip, start);
    }
}
