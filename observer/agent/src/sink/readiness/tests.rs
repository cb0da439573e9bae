use super::*;

#[test]
fn ready_when_the_last_guard_of_each_name_is_gone() {
    let readiness = Readiness::default();
    let probes = readiness.guard("probes");
    let cluster = readiness.guard("cluster");
    let again = readiness.guard("probes");
    assert_eq!(readiness.pending(), ["cluster", "probes"]);
    drop(probes);
    assert_eq!(readiness.pending(), ["cluster", "probes"]);
    drop(again);
    drop(cluster);
    assert!(readiness.pending().is_empty());
}
