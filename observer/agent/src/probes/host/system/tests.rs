//! Another namespace, and the bridge's firewall.

use nix::sched::{CloneFlags, unshare};

use super::*;
use crate::probes::host::check::Status;

#[test]
fn another_namespace_is_noticed() {
    let enter = || {
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root");
        network_namespace()
    };
    let check = std::thread::spawn(enter).join().unwrap();
    assert_eq!(check.status, Status::Warn);
}

#[test]
fn a_bridge_that_bypasses_the_firewall_is_reported() {
    let check = |v4, v6| bridge_filter_of(v4, v6, "b").status;
    assert_eq!(check(Some("1\n"), Some("1\n")), Status::Ok);
    assert_eq!(check(Some("0\n"), Some("1\n")), Status::Warn);
    assert_eq!(check(Some("1\n"), Some("0\n")), Status::Warn);
    assert_eq!(check(None, None), Status::Ok);
}
