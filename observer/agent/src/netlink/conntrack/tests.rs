//! The kernel's answers, and the real kernel.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use super::*;
use crate::netlink::testing::Namespace;

#[test]
fn the_kernels_refusals_have_names() {
    let check = |errno| name_error(NetlinkError::Refused { what: "conntrack", errno });
    assert!(matches!(check(Errno::EINVAL), NetlinkError::NoConntrack(_)));
    assert!(matches!(check(Errno::EPERM), NetlinkError::ConntrackDenied(_)));
    assert!(matches!(check(Errno::ENOMEM), NetlinkError::Refused { .. }));
    assert!(matches!(name_error(NetlinkError::Open(Errno::EPROTONOSUPPORT)), NetlinkError::NoConntrack(_)));
}

/// Returns an address without a connection.
fn theirs_on_v4(mut at: SocketAddr) -> SocketAddr {
    at.set_port(1);
    at
}

#[test]
fn open_connections_are_found_with_their_backend() {
    let node = Namespace::new();
    for command in ["addr add 10.42.0.5/32 dev lo", "addr add fd00:42::5/128 dev lo nodad", "link set lo up"]
    {
        node.ip(command);
    }
    node.ip("route add 10.43.0.1/32 dev lo");
    node.block_on(async {
        let v4 = TcpListener::bind("10.42.0.5:0").unwrap();
        let v6 = TcpListener::bind("[fd00:42::5]:0").unwrap();
        let backend = v4.local_addr().unwrap();
        run(&format!(
            "iptables -w -t nat -A OUTPUT -p tcp -d 10.43.0.1 --dport 80 -j DNAT --to-destination {backend}"
        ));
        run("ip6tables -w -A INPUT -m conntrack --ctstate INVALID -j DROP");

        let client_v4 = TcpStream::connect("10.43.0.1:80").unwrap();
        let client_v6 = TcpStream::connect(v6.local_addr().unwrap()).unwrap();
        // Accepted, so the handshake's last packet has been tracked.
        let _accepted = (v4.accept().unwrap(), v6.accept().unwrap());
        let mut found = Vec::new();
        connections(|conn| found.push(conn)).await.unwrap();

        let of = |client: &TcpStream| {
            let port = client.local_addr().unwrap().port();
            *found.iter().find(|conn| conn.orig_sport == port).unwrap_or_else(|| panic!("{found:?}"))
        };
        let conn = of(&client_v4);
        assert_eq!((conn.orig_dst.to_string(), conn.orig_dport), ("10.43.0.1".to_owned(), 80));
        assert_eq!(conn.backend(), Some((backend.ip(), backend.port())));
        assert_eq!(conn.state, State::Established);

        let mut lookup = Lookup::new().unwrap();
        let local = client_v4.local_addr().unwrap();
        let service = client_v4.peer_addr().unwrap();
        for (src, dst) in [(local, service), (backend, local)] {
            assert_eq!(lookup.find(src, dst).unwrap(), Some(conn), "{src} {dst}");
        }
        let (ours, theirs) = (client_v6.local_addr().unwrap(), client_v6.peer_addr().unwrap());
        assert_eq!(lookup.find(theirs, ours).unwrap(), Some(of(&client_v6)));
        assert_eq!(lookup.find(local, theirs_on_v4(backend)).unwrap(), None);
        let conn = of(&client_v6);
        assert_eq!(conn.orig_dst, v6.local_addr().unwrap().ip());
        assert_eq!((conn.backend(), conn.state), (None, State::Established));
    });
}

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
    assert!(status.success(), "{command}: {status}");
}
