//! Reads the addresses of the pod behind an interface: those at the other end, in the pod's own network namespace.
//!
//! The kernel numbers the namespaces that its interfaces lead to, and lists the addresses in one of them to who has
//! CAP_NET_ADMIN over it. It reads that number only from strict requests (`inet_valid_dump_ifaddr_req`):
//! <https://github.com/torvalds/linux/blob/v5.10/net/ipv4/devinet.c>. This works whatever network plugin made the pod.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use nix::sys::socket::SockProtocol;

use crate::netlink::error::NetlinkError;
use crate::netlink::link_message::namespace_of_peer;
use crate::netlink::neighbours::address;
use crate::netlink::rtnetlink::{AF_INET, AF_INET6, GETADDR, GETLINK, IFADDRMSG, IFINFOMSG, NEWADDR};
use crate::netlink::socket::Socket;
use crate::netlink::wire::put;

const IFA_TARGET_NETNSID: u16 = 10;

/// Returns the addresses of the pod behind an interface, without those of its loopback and link-local ones; none where the
/// other end is not in another namespace. `be_strict` makes the kernel check requests on a socket (`NETLINK_GET_STRICT_CHK`).
///
/// # Errors
/// Fails when the interface has gone, and where the kernel or the permissions don't allow the look.
pub async fn addresses(
    ifindex: u32,
    be_strict: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>,
) -> Result<BTreeSet<IpAddr>, NetlinkError> {
    let mut socket = Socket::open(SockProtocol::NetlinkRoute)?;
    let mut link = vec![0; IFINFOMSG];
    link[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    let namespace = socket.ask(GETLINK, &link, namespace_of_peer);
    let namespace = namespace.map_err(|errno| NetlinkError::Io { what: "asking for an interface", errno })?;
    let Some(namespace) = namespace else { return Ok(BTreeSet::new()) };
    be_strict(socket.fd())?;
    let mut found = BTreeSet::new();
    for family in [AF_INET, AF_INET6] {
        let mut body = vec![0; IFADDRMSG];
        body[0] = family;
        put(&mut body, IFA_TARGET_NETNSID, &namespace.to_ne_bytes());
        let each = |kind, body: &[u8]| {
            let own = (kind == NEWADDR).then(|| address(body)).flatten().map(|(_, ip)| ip);
            found.extend(own.filter(|ip| is_a_pods(*ip)));
        };
        socket.stream("address", GETADDR, &body, each).await?;
    }
    Ok(found)
}

fn is_a_pods(ip: IpAddr) -> bool {
    !ip.is_loopback() && !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
