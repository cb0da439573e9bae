use super::*;
use crate::sink::testing::finding;

#[test]
fn a_finding_names_its_subject() {
    let denied = Finding { policies: vec!["data/a".into(), "data/b".into()], ..finding("a", 0) };
    let labels = Subject::new(&denied);
    assert_eq!(
        labels.labels().map(|(_, value)| value),
        ["policy_denied", "web", "front", "data", "db", "5432", "data/a, data/b", "", "warning"]
    );
}

#[test]
fn a_vip_has_no_sides() {
    let vip = Finding {
        kind: FindingKind::VipConflict,
        src: None,
        dst: None,
        policies: vec![],
        vip: Some("10.0.20.200".into()),
        ..finding("a", 0)
    };
    let labels = Subject::new(&vip);
    assert_eq!(
        labels.labels().map(|(_, value)| value),
        ["vip_conflict", "", "", "", "", "", "", "10.0.20.200", "warning"]
    );
}
