//! The summary of checks, and the checks on this host.

use super::*;

#[test]
fn a_probe_is_as_good_as_what_it_needs() {
    let checks = [
        Check::ok(KERNEL, ""),
        Check::fail(RING, "", "x"),
        Check::warn(BTF, "", "x"),
        Check::ok(LOCKDOWN, ""),
    ];
    let check = |required, needs: &[&str]| {
        let summary = probe("p", required, needs, &checks);
        (summary.status, summary.found)
    };
    assert_eq!(check(true, &[KERNEL, LOCKDOWN]), (Status::Ok, "can run".into()));
    assert_eq!(check(true, &[KERNEL, RING, BTF]), (Status::Fail, "can't run: ring buffer, BTF".into()));
    assert_eq!(check(true, &[BTF]), (Status::Warn, "may not run: BTF".into()));
    assert_eq!(check(false, &[RING]), (Status::Warn, "can't run: ring buffer".into()));
    assert_eq!(check(false, &[BTF]), (Status::Warn, "as far as these allow: BTF".into()));
}

#[test]
fn every_need_is_a_check_and_every_complaint_has_advice() {
    let checks = checks();
    for (probe, _, needs) in PROBES {
        for need in needs {
            assert!(checks.iter().any(|check| check.name == *need), "{probe} needs {need}");
        }
    }
    for check in checks {
        assert_eq!(check.advice.is_none(), check.status == Status::Ok, "{check:?}");
        assert!(!check.found.is_empty(), "{check:?}");
    }
}

#[test]
fn as_root_on_a_supported_kernel_everything_required_works() {
    assert!(nix::unistd::geteuid().is_root(), "these tests need root");
    let failed: Vec<Check> = checks().into_iter().filter(|check| check.status == Status::Fail).collect();
    assert_eq!(failed, []);
}
