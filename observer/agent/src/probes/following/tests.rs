//! The pod behind an interface, on the real kernel.

use super::*;
use crate::netlink::testing::Namespace;

fn read(node: &Namespace, interface: &str) -> Vec<String> {
    let ifindex = node.inside(|| nix::net::if_::if_nametoindex(interface).unwrap());
    node.block_on(addresses(ifindex)).iter().map(IpAddr::to_string).collect()
}

#[test]
fn the_addresses_of_the_pod_behind_an_interface_are_read() {
    let (node, pod, other) = (Namespace::new(), Namespace::new(), Namespace::new());
    for (veth, pod) in [("veth1", &pod), ("veth2", &other)] {
        node.ip(&format!("link add {veth} type veth peer name eth0 netns {}", pod.path()));
        node.ip(&format!("addr add 192.0.2.1/32 dev {veth}"));
        pod.ip("link set lo up");
        pod.ip("link set eth0 up");
    }
    assert_eq!(read(&node, "veth1"), Vec::<String>::new());
    pod.ip("addr add 10.42.0.10/24 dev eth0");
    pod.ip("addr add fd42::a/64 dev eth0 nodad");
    other.ip("addr add 10.42.0.11/24 dev eth0");
    assert_eq!(read(&node, "veth1"), ["10.42.0.10", "fd42::a"]);
    assert_eq!(read(&node, "veth2"), ["10.42.0.11"]);
}

#[test]
fn an_interface_whose_other_end_is_here_leads_to_no_pod() {
    let node = Namespace::new();
    node.ip("link add veth1 type veth peer name veth2");
    node.ip("addr add 192.0.2.1/32 dev veth2");
    assert_eq!(read(&node, "veth1"), Vec::<String>::new());
    let none = node.block_on(addresses(u32::MAX / 2));
    assert_eq!(none, Vec::<IpAddr>::new(), "it has gone");
}
