//! Messages, and the kernel's own answer.

use super::*;
use crate::netlink::testing::Namespace;
use crate::netlink::wire::{nest, put};

fn filters(names: &[&str]) -> Vec<Filter> {
    names.iter().map(|name| Filter { kind: "bpf".into(), program: Some((*name).to_owned()) }).collect()
}

#[test]
fn a_message_cut_anywhere_is_nothing() {
    let whole = message(7, INGRESS);
    for end in 0..whole.len() {
        assert_eq!(qdisc(&whole[..end], 7), None);
        assert_eq!(filter(&whole[..end]), None);
    }
}

#[test]
fn a_filter_has_a_kind_and_its_program_a_name() {
    let mut body: Vec<u8> =
        [0, 7, 1, EGRESS, 1 << 16].iter().flat_map(|word: &u32| word.to_ne_bytes()).collect();
    put(&mut body, TCA_KIND, b"bpf\0");
    nest(&mut body, TCA_OPTIONS, |inside| put(inside, TCA_BPF_NAME, b"theirs\0"));
    assert_eq!(filter(&body), filters(&["theirs"]).pop());
    body[8..12].fill(0);
    assert_eq!(filter(&body), None, "a priority by itself");
}

#[test]
fn the_kernel_lists_the_qdisc_in_the_place_of_clsact() {
    let namespace = Namespace::new();
    namespace.ip("link add fo0 type veth peer name fo1");
    namespace.ip("link add fo2 type veth peer name fo3");
    for line in ["qdisc add dev fo1 handle ffff: ingress", "qdisc add dev fo2 clsact"] {
        let run = || std::process::Command::new("tc").args(line.split_whitespace()).status().unwrap();
        assert!(namespace.inside(run).success(), "tc {line}");
    }
    let read = |name: &'static str| {
        namespace.block_on(async move {
            let ifindex = nix::net::if_::if_nametoindex(name).unwrap();
            TrafficControl::read(ifindex).await.unwrap()
        })
    };
    assert_eq!(read("fo0").qdisc, None, "a usual qdisc is in another place");
    assert_eq!(read("fo1").qdisc.as_deref(), Some("ingress"));
    let clsact = read("fo2");
    assert_eq!(clsact.qdisc.as_deref(), Some("clsact"));
    assert_eq!(clsact.filters, [vec![], vec![]]);
}
