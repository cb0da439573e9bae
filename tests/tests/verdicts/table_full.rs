//! New connections while the node's table of tracked connections is full.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use lab::findings::says;
use lab::firewall::{Firewall, Refusal};
use lab::netns::Netns;
use lab::policy;
use lab::traffic::{Server, connect, connect_within};
use lab::world::World;
use serde_json::Value;

const PORT: u16 = 8080;

/// Fills the table with connections that the kernel doesn't evict for new ones.
fn fill(ns: &Netns) {
    let limit = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").unwrap();
    let limit: u32 = limit.trim().parse().unwrap();
    let mut entries = String::new();
    for n in 0..limit {
        let (port, [_, a, b, c]) = (1_024 + n % 256, (n / 256).to_be_bytes());
        writeln!(
            entries,
            "-I -p tcp -s 10.99.{b}.{c} -d 10.98.{a}.1 --sport {port} --dport 80 --state ESTABLISHED --timeout 600 -u SEEN_REPLY,ASSURED"
        )
        .unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), entries).unwrap();
    // It ends with an error when the table is full, as the node has connections of its own.
    drop(ns.exec(format!("conntrack -R {}", file.path().display())));
    let filled: u32 = ns.exec("conntrack -C").unwrap().trim().parse().unwrap();
    assert!(filled >= limit / 100 * 99, "{filled} of {limit}");
}

#[test]
fn a_full_table_is_named_and_is_no_mismatch() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, PORT).unwrap();
    world.cluster.apply(&policy::admitting("data", "lockdown", &["web"])).unwrap();
    let firewall = Firewall::new(&world.node, &server, (PORT, PORT), Refusal::PortUnreachable).unwrap();
    firewall.allow_pod(&client).unwrap();
    let agent = world.agent(&["--enforcement-grace", "1s"]).unwrap();
    connect(&client.ns, server.at(PORT)).unwrap().echo().unwrap();

    let node = &world.node.ns;
    // The agent is asked through loopback, which a full table would close too.
    for chain in ["OUTPUT -o lo", "PREROUTING -i lo"] {
        node.exec(format!("iptables -w -t raw -A {chain} -j CT --notrack")).unwrap();
    }
    fill(node);
    let talk = || drop(connect_within(&client.ns, server.at(PORT), Duration::from_millis(500)));
    let found = agent.provoke("unanswered", "active", talk, |_| true).unwrap();
    let parts = ["web/front can't reach data/cache", "its table of tracked connections was full"];
    assert!(says(&found["summary"], &parts), "{found}");
    let record = agent.wait_flow("kind=attempt&outcome=unanswered", |_| true).unwrap();
    assert_eq!(record["cause"], "conntrack_full", "{record}");
    assert_eq!(record["drop_reason"], "NETFILTER_DROP", "{record}");
    assert_eq!(record["verdict"]["decision"], "allow", "{record}");
    assert_eq!(agent.findings_of("enforcement_mismatch", "active").unwrap(), Vec::<Value>::new());

    node.exec("conntrack -F").unwrap();
    connect(&client.ns, server.at(PORT)).unwrap().echo().unwrap();
}
