//! A Service with a backend that a policy closes, and one on another node that it leaves open.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lab::cluster::ServiceSpec;
use lab::firewall::{Firewall, Refusal};
use lab::traffic::{Server, connect};
use lab::world::World;
use lab::{overlay, policy};
use serde_json::{Value, json};

const PORT: u16 = 8080;
const FRONT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 43, 7, 7));

/// The kernel confirms no connection whose SYN a firewall dropped, so that NAT chooses again for the repetition.
#[test]
fn a_repeated_syn_that_reaches_another_backend_is_no_mismatch() {
    let world = World::new().unwrap();
    let client = world.pod("web", "front").unwrap();
    let closed = world.pod_labelled("data", "cache-0", &[("gate", "closed")]).unwrap();
    let other = world.add_node("node2", 2).unwrap();
    overlay::join(&[&world.node, &other]).unwrap();
    let open = world.pod_on(&other, "data", "cache-1").unwrap();
    let _serving = [&closed, &open].map(|pod| Server::start(&pod.ns, PORT).unwrap());
    let spec = ServiceSpec {
        namespace: "data",
        name: "cache",
        cluster_ips: &[FRONT],
        port: PORT,
        target_port: PORT,
    };
    world.cluster.service(&spec, &[&closed, &open]).unwrap();
    let rule = |extra: &str, backend: SocketAddr| {
        let rule = format!(
            "-t nat -A KUBE-SERVICES -d {FRONT} -p tcp --dport {PORT} {extra} -j DNAT --to-destination {backend}"
        );
        world.node.iptables(FRONT, &rule).unwrap();
    };
    rule("-m statistic --mode nth --every 2 --packet 0", closed.at(PORT));
    rule("", open.at(PORT));
    let mut lockdown = policy::admitting("data", "lockdown", &["batch"]);
    lockdown["spec"]["podSelector"] = json!({"matchLabels": {"gate": "closed"}});
    world.cluster.apply(&lockdown).unwrap();
    let _firewall = Firewall::new(&world.node, &closed, (PORT, PORT), Refusal::Drop).unwrap();
    let agent = world.agent(&["--enforcement-grace", "1s"]).unwrap();

    for n in 1..=3 {
        connect(&client.ns, SocketAddr::new(FRONT, PORT)).unwrap().echo().unwrap();
        let seen = |a: &lab::agent::Agent| a.flows("kind=attempt").ok().filter(|records| records.len() == n);
        let records = agent.wait_for("the record", seen).unwrap();
        let record = &records[n - 1];
        let got = (&record["outcome"], &record["syn_retransmits"], &record["dst"]["pod"]);
        assert_eq!(got, (&"established".into(), &1.into(), &open.name.as_str().into()), "{record}");
        assert_eq!(record["verdict"]["decision"], "allow", "{record}");
    }
    assert_eq!(agent.findings_of("enforcement_mismatch", "active").unwrap(), Vec::<Value>::new());
}
