//! Both ends of connections, and the real kernel.

use std::net::{TcpListener, TcpStream};

use proptest::prelude::*;

use super::*;
use crate::netlink::testing::Namespace;

fn at(text: &str) -> (IpAddr, u16) {
    let address: std::net::SocketAddr = text.parse().unwrap();
    (address.ip(), address.port())
}

fn socket(state: u8, local: &str, remote: &str) -> OpenSocket {
    OpenSocket { state, local: at(local), remote: at(remote) }
}

#[test]
fn both_ends_are_one_connection_in_either_order() {
    let client = [socket(ESTABLISHED, "10.42.0.9:40000", "10.43.0.1:80")];
    let server =
        [socket(LISTEN, "[::]:8080", "[::]:0"), socket(ESTABLISHED, "10.42.0.5:8080", "10.42.0.9:40000")];
    for order in [[&client[..], &server[..]], [&server[..], &client[..]]] {
        let mut flows = Flows::default();
        order.into_iter().for_each(|sockets| flows.add(sockets));
        let found: Vec<_> = flows.0.into_values().collect();
        let [flow] = found[..] else { panic!("{found:?}") };
        assert_eq!(
            ((flow.src, flow.sport), (flow.dst, flow.dport)),
            (at("10.42.0.9:40000"), at("10.43.0.1:80"))
        );
        assert_eq!(flow.backend, Some(at("10.42.0.5:8080")));
    }
}

#[test]
fn a_client_from_elsewhere_is_known_by_its_server() {
    let mut flows = Flows::default();
    flows.add(&[
        socket(LISTEN, "0.0.0.0:8080", "0.0.0.0:0"),
        socket(ESTABLISHED, "10.42.0.5:8080", "192.0.2.7:5000"),
    ]);
    let found: Vec<_> = flows.0.into_values().collect();
    assert_eq!(
        (found[0].src, found[0].dst, found[0].backend),
        (at("192.0.2.7:5000").0, at("10.42.0.5:1").0, None)
    );
}

#[test]
fn connections_in_other_namespaces_are_found() {
    let pod = Namespace::new();
    pod.ip("link set lo up");
    pod.ip("addr add 10.42.7.5/32 dev lo");
    pod.ip("addr add fd42::7:5/128 dev lo nodad");
    for address in ["10.42.7.5:0", "[fd42::7:5]:0"] {
        let (listener, client) = pod.inside(|| {
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (listener, client)
        });
        // The namespace is found by a process that is in it.
        let mut holder = pod.inside(|| {
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap()
        });
        let (src, dst) = (client.local_addr().unwrap(), listener.local_addr().unwrap());
        let found =
            established().unwrap().into_iter().find(|flow| (flow.src, flow.sport) == (src.ip(), src.port()));
        drop(holder.stdin.take());
        holder.wait().unwrap();
        assert_eq!(found.map(|flow| (flow.dst, flow.dport)), Some((dst.ip(), dst.port())), "{address}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        prop_assert!(decode(&bytes).is_none() || bytes.len() >= 28);
    }
}
