//! The VIP incident, from gratuitous ARP to a notification.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::io::ErrorKind;

use lab::agent::LISTEN;
use lab::announce::Pattern;
use lab::findings::says;
use lab::prometheus::{Monitor, Target};
use lab::vip::{NODES, SERVICE, Setup, Site};
use serde_json::Value;

const VIP: &str = "10.0.20.200";
const OPEN: usize = 8;

/// Waits until Prometheus has the VIP's holder.
fn announced(monitor: &Monitor, node: &str) {
    let expr = format!("flow_observer_vip_announcer{{vip='{VIP}',source='wire',node='{node}'}}");
    monitor.wait_query(&expr, |value| value == 1.0).unwrap();
}

fn names_the_vip(alert: &Value) -> bool {
    let labels = &alert["labels"];
    labels["vip"] == VIP && labels["service_namespace"] == "dbaas" && labels["service"] == "postgresql-lb"
}

#[test]
fn a_vip_that_flaps_arrives_once_with_its_service_and_both_nodes() {
    let mut site = Site::new(Setup::default()).unwrap();
    let agents = site.agents(&[]).unwrap();
    let targets = [0, 1].map(|n| Target { name: NODES[n], ns: &site.nodes()[n].ns, at: LISTEN });
    let monitor = Monitor::start(&site.world.guard, &targets).unwrap();
    let metallb = Pattern::METALLB.shortly();
    site.move_to(0, metallb).unwrap();
    announced(&monitor, NODES[0]);
    let open = site.converse(OPEN).unwrap();
    site.move_to(1, metallb).unwrap();
    for mut conversation in open {
        assert_eq!(conversation.echo().unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    announced(&monitor, NODES[1]);

    let burst = monitor.wait_alert("FlowObserverResetsAfterVipMove", "firing", || {}, |_| true).unwrap();
    assert_eq!(burst["labels"]["dst_namespace"], "dbaas", "{burst}");
    assert!(says(&burst["annotations"]["description"], &[VIP, SERVICE]), "{burst}");

    for to in [0, 1, 0, 1, 0, 1] {
        site.move_to(to, metallb).unwrap();
    }
    let critical = |alert: &Value| names_the_vip(alert) && alert["labels"]["severity"] == "critical";
    let alert = monitor.wait_alert("FlowObserverVipFlapping", "firing", || {}, critical).unwrap();
    assert!(says(&alert["annotations"]["summary"], &[VIP, SERVICE]), "{alert}");
    assert!(says(&alert["annotations"]["description"], &NODES), "{alert}");
    monitor.wait_alert("FlowObserverVipFlapping", "resolved", || {}, critical).unwrap();

    let expected = |alert: &&Value| {
        alert["labels"]["alertname"] == "FlowObserverVipFlapping"
            && alert["status"] == "firing"
            && critical(alert)
    };
    let received = monitor.received();
    assert_eq!(received.iter().filter(expected).count(), 1, "two nodes saw it, one alert: {received:?}");
    for agent in agents {
        agent.stop().unwrap();
    }
}
