use std::net::IpAddr;
use std::sync::Arc;

use flow_model::inventory::ServicePort;

use super::*;

fn port(protocol: &str, port: u16) -> ServicePort {
    ServicePort { name: None, protocol: protocol.into(), port, node_port: None, target_port: None }
}

fn service(name: &str, cluster_ips: &[&str], vips: &[&str], ports: Vec<ServicePort>) -> Arc<Service> {
    let ips = |ips: &[&str]| -> Vec<IpAddr> { ips.iter().map(|ip| ip.parse().unwrap()).collect() };
    Arc::new(Service {
        namespace: "dbaas".into(),
        name: name.into(),
        labels: Default::default(),
        selector: Default::default(),
        cluster_ips: ips(cluster_ips),
        external_ips: ips(vips),
        vips: ips(vips),
        ports,
        external_local: false,
        backends: vec![],
        ..Service::default()
    })
}

fn inventory() -> Inventory {
    let services = vec![
        service("pg", &["10.43.0.9", "fd43::9"], &["10.0.20.200"], vec![port("TCP", 5432)]),
        service("lb", &[], &["10.0.20.201"], vec![port("TCP", 80), port("TCP", 443), port("UDP", 53)]),
        service("headless", &[], &[], vec![port("TCP", 80)]),
        service("dns", &["10.43.0.10"], &[], vec![port("UDP", 53)]),
    ];
    Inventory { services, ..Inventory::default() }
}

#[test]
fn targets_have_an_address_or_a_reason() {
    for (target, expected) in [
        ("192.0.2.1:80", Ok("192.0.2.1:80")),
        ("[fd00::1]:80", Ok("[fd00::1]:80")),
        ("dbaas/pg:5432", Ok("10.43.0.9:5432")),
        ("dbaas/lb:443", Ok("10.0.20.201:443")),
        ("dbaas/lb:53", Err("Service dbaas/lb has no TCP port 53; it has 80, 443")),
        ("dbaas/dns:53", Err("Service dbaas/dns has no TCP port 53")),
        (
            "dbaas/headless:80",
            Err("Service dbaas/headless has neither a ClusterIP nor a load balancer's address"),
        ),
        ("other/pg:5432", Err("there is no Service other/pg")),
        ("dbaas/gone:5432", Err("there is no Service dbaas/gone")),
    ] {
        let found = address(&target.parse().unwrap(), &inventory());
        let expected = expected.map(|a| a.parse().unwrap()).map_err(ArcStr::from);
        assert_eq!(found, expected, "{target}");
    }
}
