//! Why a RST was sent, and whether the kernel's TCP sent it. A kernel before 6.10 gives no reason: there the probe must be
//! absent, and nothing be claimed.

use std::net::{SocketAddr, TcpListener};

use lab::firewall::{Firewall, Refusal};
use lab::traffic::connect;
use lab::traffic::raw::{Packet, flags};
use serde_json::{Value, json};

use super::{Scene, kernel_is_at_least};

/// The sender and the reason as a record has them.
type Origin<'a> = (Option<&'a str>, Option<&'a str>);

fn origin(record: &Value) -> Origin<'_> {
    (record.get("sent_by").and_then(Value::as_str), record.get("reason").and_then(Value::as_str))
}

/// Compares with what a kernel with reasons has to say. Another says nothing, and has no such probe.
fn check(scene: &Scene, record: &Value, expected: Origin<'_>) {
    let probe = [("probe", "reset_reasons")];
    let attached = scene.agent.metrics().unwrap();
    let attached: Vec<f64> = attached
        .iter()
        .filter(|sample| sample.matches("flow_observer_probe_attached", &probe))
        .map(|sample| sample.value)
        .collect();
    if kernel_is_at_least(6, 10) {
        assert_eq!(attached, [1.0], "{}", scene.agent.log());
        assert_eq!(origin(record), expected, "{record}");
    } else {
        eprintln!("this kernel gives no reasons for resets: that they are absent is what is checked");
        assert_eq!(attached, Vec::<f64>::new());
        assert_eq!(origin(record), (None, None), "{record}");
        assert_eq!(scene.agent.log().matches("resets are reported without reasons").count(), 1);
    }
}

/// Waits until so many resets are counted with a reason, or without where the kernel gives none.
fn counted(scene: &Scene, (by, phase): (&str, &str), reason: &str, count: f64) {
    let labels = [("by", by), ("phase", phase), ("reason", reason)];
    let labels = if kernel_is_at_least(6, 10) { &labels[..] } else { &labels[..2] };
    scene.agent.wait_metric("tcp_rst_total", labels, count).unwrap();
}

#[test]
fn a_closed_port_has_no_socket() {
    let scene = Scene::new(&[]);
    for to in [scene.server.at(9), scene.server.at6(9)] {
        connect(&scene.client.ns, to).unwrap_err();
        check(&scene, &scene.only_attempt(to), (Some("kernel_tcp"), Some("no_socket")));
    }
    counted(&scene, ("server", "handshake"), "no_socket", 2.0);
    if kernel_is_at_least(6, 10) {
        let selected = scene.agent.flows("reason=NO_SOCKET").unwrap();
        assert_eq!(selected.len(), 2, "{selected:#?}");
        assert_eq!(scene.agent.flows("kind=attempt&reason=unknown").unwrap(), Vec::<Value>::new());
    }
}

#[test]
fn a_close_with_a_linger_time_of_zero_is_told_from_others() {
    let scene = Scene::new(&[]);
    for to in [scene.server.at(8080), scene.server.at6(8080)] {
        connect(&scene.client.ns, to).unwrap().be_reset().unwrap();
        let record = only_reset(&scene, to);
        assert_eq!(record["by"], "server", "{record}");
        check(&scene, &record, (Some("kernel_tcp"), Some("tcp_state")));
    }
    // The client's side has the same reasons.
    let to = scene.server.at(8080);
    let mut open = connect(&scene.client.ns, to).unwrap();
    open.echo().unwrap();
    open.reset().unwrap();
    let by_client = |r: &Value| r["by"] == "client";
    let record = scene.agent.wait_flow("kind=reset", by_client).unwrap();
    check(&scene, &record, (Some("kernel_tcp"), Some("tcp_state")));
    counted(&scene, ("server", "established"), "tcp_state", 2.0);
    counted(&scene, ("client", "established"), "tcp_state", 1.0);
}

#[test]
fn a_close_with_unread_data_is_told_from_others() {
    let scene = Scene::new(&[]);
    for to in [scene.server.at(8081), scene.server.at6(8081)] {
        let listener = scene.server.ns.run(|| TcpListener::bind(("::", 8081))).unwrap();
        let mut client = connect(&scene.client.ns, to).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        client.send(b"unread").unwrap();
        accepted.peek(&mut [0]).unwrap();
        drop((accepted, listener));
        let record = only_reset(&scene, to);
        assert_eq!((&record["by"], &record["phase"]), (&json!("server"), &json!("established")), "{record}");
        check(&scene, &record, (Some("kernel_tcp"), Some("tcp_abort_on_close")));
    }
}

#[test]
fn a_firewalls_rst_is_not_from_the_kernels_tcp() {
    let scene = Scene::new(&[]);
    let _firewall = Firewall::new(&scene.world.node, &scene.server, (8080, 8080), Refusal::TcpReset).unwrap();
    for to in [scene.server.at(8080), scene.server.at6(8080)] {
        connect(&scene.client.ns, to).unwrap_err();
        let record = scene.only_attempt(to);
        assert_eq!(record["outcome"], "refused", "{record}");
        check(&scene, &record, (Some("not_kernel_tcp"), None));
    }
    let of_server = [("by", "server"), ("phase", "handshake")];
    scene.agent.wait_metric("tcp_rst_total", &of_server, 2.0).unwrap();
    scene.agent.wait_metric("tcp_rst_total", &[("reason", "no_socket")], 0.0).unwrap();
}

#[test]
fn a_rst_from_a_raw_socket_is_not_from_the_kernels_tcp() {
    let scene = Scene::new(&[]);
    for (from, to, seq) in [
        (scene.client.at(40_000), scene.server.at(8080), 77),
        (scene.client.at6(40_000), scene.server.at6(8080), 78),
    ] {
        Packet { from, to, seq, ack: 0, flags: flags::RST }.send(&scene.client.ns).unwrap();
        let record = only_reset(&scene, to);
        assert_eq!(record["phase"], "orphan", "{record}");
        check(&scene, &record, (Some("not_kernel_tcp"), None));
    }
}

/// It has the form of a RST that TCP announces after it has sent it. That it was not announced in time proves nothing.
#[test]
fn a_rst_that_may_be_announced_yet_is_from_nobody_known() {
    let scene = Scene::new(&[]);
    let (from, to) = (scene.client.at(40_000), scene.server.at(8080));
    Packet { from, to, seq: 77, ack: 99, flags: flags::RST | flags::ACK }.send(&scene.client.ns).unwrap();
    check(&scene, &only_reset(&scene, to), (None, None));
}

fn only_reset(scene: &Scene, to: SocketAddr) -> Value {
    let of = |r: &Value| r["dst"]["ip"] == to.ip().to_string() && r["dst"]["port"] == to.port();
    let record = scene.agent.wait_flow("kind=reset", of).unwrap();
    let all: Vec<_> = scene.agent.flows("kind=reset").unwrap().into_iter().filter(of).collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    record
}
