//! Port scans, on real connections.

use lab::findings::summary;
use lab::traffic::{Server, connect};
use lab::world::World;

/// Ports that the scan tries; one of them is open.
const PORTS: std::ops::Range<u16> = 2_000..2_120;

#[test]
fn a_port_scan_is_one_finding_and_hides_no_other_client() {
    let world = World::new().unwrap();
    let scanner = world.pod("web", "scanner").unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 2_050).unwrap();
    let agent = world.agent(&[]).unwrap();
    connect(&client.ns, server.at(2_003)).unwrap_err();
    for port in PORTS {
        assert_eq!(connect(&scanner.ns, server.at(port)).is_ok(), port == 2_050, "{port}");
    }
    let closed = PORTS.len() - 1;
    let found = agent.wait_finding("port_scan", "active", |f| f["count"] == closed).unwrap();
    assert_eq!(found["src"]["pod"], scanner.name.as_str(), "{found}");
    assert!(summary(&found).starts_with(&format!("web/{} (", scanner.name)), "{found}");
    assert!(summary(&found).contains("of one host"), "{found}");
    let singles = agent.findings_of("service_refused", "active").unwrap();
    let [single] = &singles[..] else { panic!("{}", agent.shown_findings()) };
    assert_eq!(single["src"]["pod"], client.name.as_str(), "{single}");
}
