//! `tail` and `findings` with filters, against an agent that saw two refusals and a connection.

use lab::agent::Agent;
use lab::firewall::{Firewall, Refusal};
use lab::netns::Netns;
use lab::policy;
use lab::product;
use lab::traffic::{Server, connect};
use lab::world::World;
use serde_json::Value;

const PORT: u16 = 8080;

/// Returns what a command prints for machines.
fn lines(ns: &Netns, args: &str) -> Vec<Value> {
    let args: Vec<&str> = args.split(' ').chain(["--output", "json"]).collect();
    let answer = product::run(ns, &args).unwrap();
    assert_eq!(answer.code, Some(0), "{args:?}: {}", answer.stderr);
    answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the clients and outcomes of the attempts that these filters select.
fn attempts(ns: &Netns, filters: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let records = lines(ns, &format!("tail --since 1h --no-follow --kind attempt {filters}"));
    let mut found: Vec<_> =
        records.iter().map(|record| (text(&record["src"]["workload"]), text(&record["outcome"]))).collect();
    found.sort();
    found
}

fn wait_attempts(agent: &Agent, count: usize) {
    let seen = |agent: &Agent| (agent.flows("kind=attempt").ok()?.len() == count).then_some(());
    agent.wait_for("the attempts", seen).unwrap();
}

#[test]
fn filters_select_the_same_in_tail_and_findings() {
    let world = World::new().unwrap();
    let [front, batch, cache] = [("web", "front"), ("jobs", "batch"), ("data", "cache")]
        .map(|(namespace, workload)| world.pod(namespace, workload).unwrap());
    world.cluster.apply(&policy::admitting("data", "lockdown", &["jobs"])).unwrap();
    let firewall = Firewall::new(&world.node, &cache, (PORT, PORT), Refusal::PortUnreachable).unwrap();
    firewall.allow_pod(&batch).unwrap();
    let _serving = Server::start(&cache.ns, PORT).unwrap();
    let agent = world.agent(&[]).unwrap();
    for _ in 0..2 {
        connect(&front.ns, cache.at(PORT)).unwrap_err();
    }
    connect(&batch.ns, cache.at(PORT)).unwrap().echo().unwrap();
    wait_attempts(&agent, 3);
    agent.wait_finding("policy_denied", "active", |_| true).unwrap();

    let ns = &world.node.ns;
    let refused = ("front".to_owned(), "rejected".to_owned());
    let opened = ("batch".to_owned(), "established".to_owned());
    for (filters, expected) in [
        ("--to data/cache --port 8080", vec![opened.clone(), refused.clone(), refused.clone()]),
        ("--from web --policy lockdown", vec![refused.clone(), refused.clone()]),
        ("--verdict deny --not-from jobs", vec![refused.clone(), refused.clone()]),
        ("--not-verdict deny", vec![opened.clone()]),
        (&format!("--from {}", batch.ip4), vec![opened]),
        ("--filter outcome!=\"established\"&&dst.port==8080", vec![refused.clone(), refused]),
        ("--to data --not-to data/cache", vec![]),
    ] {
        assert_eq!(attempts(ns, filters), expected, "{filters}");
    }
    for (filters, count) in [
        ("--from web --to data --policy data/lockdown", 1),
        ("--filter kind==\"policy_denied\"&&count>0", 1),
        ("--not-policy data/lockdown --from web", 0),
        ("--from jobs", 0),
    ] {
        assert_eq!(lines(ns, &format!("findings {filters}")).len(), count, "{filters}");
    }
}
