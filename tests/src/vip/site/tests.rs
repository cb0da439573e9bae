use super::*;

/// Checks the behaviour that the incident rests on: a connection open across a move is reset at its next packet.
#[test]
fn a_move_resets_what_was_open() {
    for (vip, hold) in [(VIP4, Hold::Speaker), (VIP4, Hold::Address), (VIP6, Hold::Speaker)] {
        let mut site = Site::new(Setup { vip, hold, ..Setup::default() }).unwrap();
        site.move_to(0, Pattern::METALLB.at_once()).unwrap();
        let mut open = site.converse(1).unwrap().remove(0);
        let again = site.move_to(0, Pattern::METALLB.at_once()).unwrap();
        open.echo().unwrap();
        let mac = site.move_to(1, Pattern::METALLB.at_once()).unwrap();
        assert_ne!(mac, again);
        assert_eq!(open.echo().unwrap_err().kind(), ErrorKind::ConnectionReset, "{vip} {hold:?}");
        site.converse(1).unwrap();
    }
}

#[test]
fn masqueraded_clients_have_the_nodes_address() {
    let mut site = Site::new(Setup { traffic: Traffic::Cluster, ..Setup::default() }).unwrap();
    site.move_to(0, Pattern::ARPING).unwrap();
    let _open = site.converse(1).unwrap();
    let seen = site.pods[0].ns.proc_net("tcp6").unwrap();
    let hex = |ip: Ipv4Addr| format!("{:08X}", u32::from(ip).swap_bytes());
    assert!(seen.contains(&hex(site.world.node.pod_ip4(1))), "{seen}");
    assert!(!seen.contains(&hex(site.client.ip4)), "{seen}");
}
