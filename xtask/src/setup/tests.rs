use super::*;

fn names(needs: &[Need]) -> Vec<&'static str> {
    packages::wanted(needs).map(|package| package.name).collect()
}

#[test]
fn the_demo_needs_the_lab_and_no_more() {
    assert_eq!(names(Need::LAB), ["gcc", "libc6-dev", "iproute2", "iptables", "ipset", "procps", "kmod"]);
}

#[test]
fn every_need_has_something_and_everything_has_a_need() {
    assert_eq!(names(Need::ALL).len(), 23);
    for need in Need::ALL.iter().filter(|need| !matches!(need, Need::Probes | Need::Node)) {
        assert!(!names(&[*need]).is_empty(), "{need:?}");
    }
}
