//! Resets without a VIP.

use std::time::{Duration, Instant};

use lab::traffic::Server;
use lab::vip::{PORT, Setup};
use lab::wait;

use crate::stage::{OPEN, Stage, found_none};

/// A rollout, whose old pod resets open connections.
#[test]
fn a_deploy_is_reported_as_such() {
    let stage = Stage::new(Setup::default());
    let site = &stage.site;
    let open = site.converse(OPEN).unwrap();
    let pods = [("kind", "Pod")];
    let before = stage.agents[0].metric("cluster_objects", &pods).unwrap();
    let new = site.world.node.add_pod("dbaas", "postgres-7c9f6d5b44-x7k2m").unwrap();
    let _serving = Server::start(&new.ns, PORT).unwrap();
    site.describe(&[&new, &site.pods[1]]).unwrap();
    site.world.cluster.pod(&site.world.node.name, &new).unwrap();
    stage.agents[0].wait_metric("cluster_objects", &pods, before + 1.0).unwrap();
    open.into_iter().for_each(|conversation| conversation.be_reset().unwrap());
    stage.burst(&stage.agents[0], "endpoint_change");
    let resets = stage.agents[0].flows("kind=reset").unwrap();
    assert!(resets.iter().all(|r| r["phase"] == "established"), "{resets:#?}");
    stage.agents.iter().for_each(|agent| found_none(agent, &["vip_flap", "vip_conflict"]));
    found_none(&stage.agents[1], &["rst_burst"]);
}

/// The time that the client below is watched: four windows, two of which are needed to see that it is steady.
const WATCHED: Duration = Duration::from_secs(40);
/// Its rhythm: forty connections per window, where five are a burst.
const RHYTHM: Duration = Duration::from_millis(250);

/// A health checker that resets each connection, at a steady rate.
#[test]
fn a_habit_is_no_news() {
    let stage = Stage::new(Setup::default());
    let end = Instant::now() + WATCHED;
    let mut resets = 0.0;
    while Instant::now() < end {
        let next = Instant::now() + RHYTHM;
        stage.site.converse(1).unwrap().remove(0).reset().unwrap();
        resets += 1.0;
        let due = || (Instant::now() >= next).then_some(());
        wait::until("the next beat", wait::DEADLINE, due).unwrap();
    }
    let by_client = [("by", "client"), ("phase", "established")];
    stage.agents[0].wait_metric("tcp_rst_total", &by_client, resets).unwrap();
    stage.agents.iter().for_each(|agent| found_none(agent, &["rst_burst", "vip_flap", "vip_conflict"]));
}
