//! Differences between the policies and the kernel's behaviour.

use lab::findings::says;
use lab::firewall::{Firewall, Refusal};
use lab::policy;
use lab::traffic::{Server, connect};
use lab::world::World;
use serde_json::{Value, json};

const PORT: u16 = 8080;
/// The grace period of the tests, whose pods are only seconds old.
const SOON: [&str; 2] = ["--enforcement-grace", "1s"];

#[test]
fn a_policy_that_nobody_enforces() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, PORT).unwrap();
    world.cluster.apply(&policy::admitting("data", "lockdown", &["batch"])).unwrap();
    let agent = world.agent(&SOON).unwrap();
    let talk = || connect(&client.ns, server.at(PORT)).unwrap().echo().unwrap();
    let found = agent.provoke("enforcement_mismatch", "active", talk, |_| true).unwrap();
    assert_eq!(found["policies"], json!(["data/lockdown"]), "{found}");
    assert!(says(&found["summary"], &["web/front", "data/cache", "data/lockdown"]), "{found}");
    let record = agent.wait_flow("kind=attempt", |_| true).unwrap();
    assert_eq!(record["outcome"], "established", "{record}");
    assert_eq!(record["verdict"]["decision"], "deny", "{record}");
    let others = agent.findings_of("policy_denied", "active").unwrap();
    assert_eq!(others, Vec::<Value>::new(), "nothing was refused");
}

#[test]
fn a_refusal_that_no_policy_asked_for() {
    for refusal in [Refusal::PortUnreachable, Refusal::AdminProhibited] {
        let world = World::new().unwrap();
        let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
        let _serving = Server::start(&server.ns, PORT).unwrap();
        world.cluster.apply(&policy::admitting("data", "lockdown", &["web"])).unwrap();
        let _firewall = Firewall::new(&world.node, &server, (PORT, PORT), refusal).unwrap();
        let agent = world.agent(&SOON).unwrap();
        let talk = || drop(connect(&client.ns, server.at(PORT)).unwrap_err());
        let found = agent.provoke("enforcement_mismatch", "active", talk, |_| true).unwrap();
        assert!(says(&found["summary"], &["web/front", "data/cache"]), "{refusal:?}: {found}");
        let record = agent.wait_flow("kind=attempt", |_| true).unwrap();
        assert_eq!(record["outcome"], "rejected", "{record}");
        assert_eq!(record["verdict"]["decision"], "allow", "{record}");
        assert_eq!(agent.findings_of("policy_denied", "active").unwrap(), Vec::<Value>::new());
    }
}

/// A pod is open until its chain exists. That is kube-router's start, not a mismatch.
#[test]
fn an_enforcer_that_lags_is_no_mismatch() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, PORT).unwrap();
    world.cluster.apply(&policy::admitting("data", "lockdown", &["batch"])).unwrap();
    let agent = world.agent(&["--enforcement-grace", "1h"]).unwrap();
    // A finding follows its record at once, so the second record comes after the first one's finding.
    for n in 1..=2 {
        connect(&client.ns, server.at(PORT)).unwrap().echo().unwrap();
        let seen = |a: &lab::agent::Agent| a.flows("kind=attempt").ok().filter(|r| r.len() == n);
        let records = agent.wait_for("the record", seen).unwrap();
        assert_eq!(records[0]["verdict"]["decision"], "deny", "{records:#?}");
    }
    assert_eq!(agent.findings_of("enforcement_mismatch", "active").unwrap(), Vec::<Value>::new());
}
