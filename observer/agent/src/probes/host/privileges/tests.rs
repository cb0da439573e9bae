//! Capabilities by kernel version, and lockdown.

use Capability::{CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN};

use super::*;
use crate::probes::host::check::Status;

#[test]
fn sys_admin_stands_for_both_newer_capabilities() {
    let check = |split, held: &[Capability]| missing(split, |capability| held.contains(&capability));
    assert_eq!(check(true, &[CAP_SYS_ADMIN, CAP_NET_ADMIN]), []);
    assert_eq!(check(true, &[CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN]), []);
    assert_eq!(check(true, &[CAP_BPF]), [CAP_PERFMON, CAP_NET_ADMIN]);
    assert_eq!(check(true, &[CAP_SYS_ADMIN]), [CAP_NET_ADMIN]);
    assert_eq!(check(false, &[CAP_BPF, CAP_PERFMON]), [CAP_SYS_ADMIN, CAP_NET_ADMIN]);
}

#[test]
fn only_confidentiality_is_a_restriction() {
    let check = |modes| lockdown_of(modes).status;
    assert_eq!(check("[none] integrity confidentiality\n"), Status::Ok);
    assert_eq!(check("none [integrity] confidentiality\n"), Status::Ok);
    assert_eq!(check("none integrity [confidentiality]\n"), Status::Warn);
}
