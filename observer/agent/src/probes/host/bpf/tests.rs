//! Trying on this host.

use observer_abi::ListenerLayout;

use super::*;
use crate::probes::btf::Missing;
use crate::probes::btf::testing::types;
use crate::probes::host::check::Status;

#[test]
fn the_kernel_is_asked_for_tcx() {
    let version = version().unwrap();
    assert_eq!(tcx(), Ok(version.at_least(6, 6)), "these tests need root");
    assert_eq!(has_tcx(), version.at_least(6, 6));
}

#[test]
fn clsact_is_tried_away_from_the_host() {
    assert!(try_clsact().is_ok(), "these tests need root, sch_ingress");
    let listed = std::process::Command::new("tc").args(["qdisc", "show", "dev", "lo"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&listed.stdout).contains("clsact"));
}

#[test]
fn unprivileged_is_not_the_same_as_unsupported() {
    assert_eq!(required("x", Err(Errno::EPERM), "y").status, Status::Warn);
    assert_eq!(required("x", Ok(false), "y").status, Status::Fail);
}

#[test]
fn the_namespaces_that_the_drop_probe_covers_are_named() {
    let known = namespaces(&Ok(types()));
    assert_eq!(known.status, Status::Ok);
    assert!(known.found.contains("macvlan") && known.found.contains("drops_unattributed_total"), "{known:?}");
    let types = KernelTypes { namespaces: Err(Missing("net.ns")), ..types() };
    let unknown = namespaces(&Ok(types));
    assert_eq!((unknown.status, unknown.found.as_str()), (Status::Warn, "the BTF has no net.ns"));
    assert_eq!(namespaces(&Err(BtfError::NotBtf)).status, Status::Warn);
}

#[test]
fn full_accept_queues_are_told_where_the_layout_of_sockets_is_known() {
    let layout = ListenerLayout { waiting: 588, backlog: 592 };
    let known = accept_queues(&Ok(KernelTypes { listeners: Ok(layout), ..types() }));
    assert_eq!(
        (known.status, known.found.as_str()),
        (Status::Ok, "full ones are told"),
        "these tests need root"
    );
    let types = KernelTypes { listeners: Err(Missing("sock.sk_ack_backlog")), ..types() };
    let unknown = accept_queues(&Ok(types));
    assert_eq!(
        (unknown.status, unknown.found.as_str()),
        (Status::Warn, "the BTF has no sock.sk_ack_backlog")
    );
    assert_eq!(accept_queues(&Err(BtfError::NotBtf)).status, Status::Warn);
}

#[test]
fn the_error_number_is_found_among_the_sources() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);
    assert_eq!(errno(&Outer(io::Error::from_raw_os_error(22))), Some(Errno::EINVAL));
    assert_eq!(errno(&Outer(io::Error::other("none"))), None);
}
