//! Hosts and objects that contradict each other.

use rstest::rstest;

use super::*;

const DELETE: &str = "kubectl delete servicel2status.metallb.io";

#[rstest]
// Each every three seconds, in any phase.
#[case::kube_vip_apart("0 a!; 1.3 b!; 3 a!; 4.3 b!; 6 a!; 7.3 b!; 8")]
#[case::kube_vip_close("0 a!; 0.1 b!; 3 a!; 3.1 b!; 6 a!; 6.1 b!; 8")]
#[case::metallb("0 a*; 0.4 b*; 8")]
fn two_who_take_turns_claim_it_at_once(#[case] script: &str) {
    let mut scene = Scene::new();
    scene.play(script);
    let conflict = scene.last(FindingKind::VipConflict);
    assert_eq!(conflict.summary, "10.0.20.200 (dbaas/postgresql-lb): claimed by node-a and node-b at once");
    assert_eq!((conflict.severity, conflict.state), (Severity::Critical, State::Active));
    assert!(texts(conflict).contains(&"node-b (MAC 02:00:00:00:00:62) claims it"), "{:?}", texts(conflict));
    scene.play("100");
    assert_eq!(scene.last(FindingKind::VipConflict).state, State::Resolved);
}

#[rstest]
#[case::once("0 a*; 60 b*; 100")]
#[case::there_and_back("0 a*; 60 b*; 65 a*; 100")]
#[case::a_slow_flap("0 a*; 10 b!; 13 a!; 16 b!; 100")]
fn moves_are_no_conflict(#[case] script: &str) {
    let mut scene = Scene::new();
    scene.play(script);
    assert!(!scene.changes().iter().any(|change| change.contains("conflict")), "{:?}", scene.changes());
}

#[test]
fn the_old_owner_that_still_answers_is_a_conflict() {
    let mut scene = Scene::new();
    scene.play("0 a*; 30 b*; 60 a?; 75");
    let conflict = scene.last(FindingKind::VipConflict);
    let what = "node-a still answers for it although node-b announced it";
    assert_eq!(conflict.summary, format!("10.0.20.200 (dbaas/postgresql-lb): {what}"));
}

#[rstest]
#[case::it_took_it_back_in_truth("0 a*; 30 b*; 60 a?; 65 a!; 90")]
#[case::it_learns_a_little_late("0 a*; 30 b*; 37 a?; 90")]
#[case::nobody_had_announced_it("0 a?; 30 b?; 60 a?; 90")]
fn an_answer_alone_is_none(#[case] script: &str) {
    let mut scene = Scene::new();
    scene.play(script);
    assert_eq!(scene.changes(), Vec::<String>::new());
}

/// The incident: the status of one object sticks, and the address goes to and fro.
#[test]
fn the_stuck_status_of_the_incident() {
    let mut scene = Scene::new();
    scene.play("0 l2:l2-rgt9d=a; 1 a*; 20 b!; 24 a!; 28 b!; 32 a!; 36 b!; 40 a!; 44 b!; 45");
    assert_eq!(scene.changes(), ["28.5 vip_flap", "28.5 vip_conflict"]);
    let mend = format!("`{DELETE} l2-rgt9d -n metallb-system` mends it");
    let stuck = format!("ServiceL2Status metallb-system/l2-rgt9d has said node-a throughout: {mend}");
    let conflict = scene.last(FindingKind::VipConflict);
    assert_eq!(conflict.summary, format!("10.0.20.200 (dbaas/postgresql-lb): {stuck}"));
    assert!(texts(conflict).contains(&"ServiceL2Status metallb-system/l2-rgt9d says node-a"));
    let flap = scene.last(FindingKind::VipFlap);
    assert_eq!(flap.summary, "10.0.20.200 (dbaas/postgresql-lb) moved node-a <-> node-b 7 times in 5 min");
    assert_eq!(flap.cause.as_ref(), Some(&stuck));

    // The mitigation: the object is deleted, its speaker writes a new one, and there is peace.
    scene.play("60 l2:l2-rgt9d-; 61 l2:l2-zj9ss=b b*; 90");
    assert_eq!(scene.last(FindingKind::VipConflict).state, State::Resolved);
    let flap = scene.last(FindingKind::VipFlap);
    assert_eq!((flap.state, flap.cause.as_ref()), (State::Active, Some(&stuck)), "that was its cause");
    scene.play("400");
    assert_eq!(scene.changes()[2..], ["70.5 vip_conflict over", "336.5 vip_flap over"]);
}

#[test]
fn objects_that_follow_a_flap_are_not_stuck() {
    let mut scene = Scene::new();
    scene.play(
        "0 l2:o0=a a*; 10 l2:o1=b b*; 11 l2:o0-; 20 l2:o2=a a*; 21 l2:o1-; 30 l2:o3=b b*; 31 l2:o2-; 60",
    );
    assert_eq!(scene.changes(), ["30.5 vip_flap"]);
}

#[test]
fn several_statuses_are_named_with_the_one_to_delete() {
    let mut scene = Scene::new();
    scene.play("0 l2:l2-old=a l2:l2-new=b l2:l2-empty= b*; 9");
    assert_eq!(scene.changes(), Vec::<String>::new(), "it may be a move");
    scene.play("12");
    let objects =
        "metallb-system/l2-old (node-a), metallb-system/l2-new (node-b) and metallb-system/l2-empty (empty)";
    let text = format!("dbaas/postgresql-lb has 3 ServiceL2Status objects: {objects}; node-b announces it");
    let mend = format!("`{DELETE} l2-old -n metallb-system` mends it");
    let conflict = scene.last(FindingKind::VipConflict);
    assert_eq!(conflict.summary, format!("10.0.20.200 (dbaas/postgresql-lb): {text}: {mend}"));
    assert_eq!(conflict.severity, Severity::Warning);
    scene.play("20 l2:l2-old- l2:l2-empty-; 40");
    assert_eq!(scene.last(FindingKind::VipConflict).state, State::Resolved);
}

#[test]
fn without_the_wire_nobody_says_which_is_stale() {
    let mut scene = Scene::new();
    scene.play("0 l2:l2-x=a l2:l2-y=b; 12");
    let summary = &scene.last(FindingKind::VipConflict).summary;
    assert!(summary.ends_with("who announces it is not known: nobody was heard"), "{summary}");
}

#[test]
fn a_status_that_is_gone_is_missed() {
    let mut scene = Scene::new();
    scene.play("0 l2:o=b b*; 20 l2:o-; 29 b?; 60");
    assert_eq!(scene.changes(), Vec::<String>::new(), "it may be withdrawn");
    scene.play("61 b?; 62");
    let conflict = scene.last(FindingKind::VipConflict);
    let since = at(20.0);
    let what =
        format!("dbaas/postgresql-lb has had no ServiceL2Status since {since:.0}, but node-b announces it");
    assert_eq!(conflict.summary, format!("10.0.20.200 (dbaas/postgresql-lb): {what}"));
    assert_eq!(
        (conflict.severity, texts(conflict)),
        (Severity::Warning, vec!["node-b (MAC 02:00:00:00:00:62) claims it"])
    );
    scene.play("70 l2:p=b; 90");
    assert_eq!(scene.last(FindingKind::VipConflict).state, State::Resolved);
}

#[rstest]
#[case::status(
    "l2:o=a",
    "ServiceL2Status metallb-system/o says node-a, but node-b announces it: \
     `kubectl delete servicel2status.metallb.io o -n metallb-system` mends it"
)]
#[case::lease("lease:o=a", "Lease metallb-system/o says node-a, but node-b announces it")]
fn the_api_against_the_wire(#[case] objects: &str, #[case] expected: &str) {
    let mut scene = Scene::new();
    scene.play(&format!("0 {objects} b*; 9.5"));
    assert_eq!(scene.changes(), Vec::<String>::new());
    scene.play("11");
    let summary = &scene.last(FindingKind::VipConflict).summary;
    assert_eq!(*summary, format!("10.0.20.200 (dbaas/postgresql-lb): {expected}"));
    scene.play("20 a*; 31");
    assert_eq!(scene.last(FindingKind::VipConflict).state, State::Resolved, "they agree");
}

#[rstest]
#[case::they_agree("0 l2:o=b lease:p=b b*; 60")]
#[case::an_empty_status("0 l2:o= b*; 60")]
#[case::no_node_of_this_name("0 lease:o=q b*; 60")]
#[case::nobody_was_heard("0 l2:o=a; 60")]
#[case::nobody_knows_the_host("0 l2:o=a x*; 60")]
#[case::an_old_event("0 event:o=a l2:p=b b*; 60")]
#[case::an_event_alone("0 event:o=a b*; 60")]
#[case::it_never_had_a_status("0 event:o=a a*; 60")]
#[case::a_status_gives_way_to_a_lease("0 l2:o=a a*; 20 l2:o- lease:p=a; 60")]
#[case::a_status_gives_way_to_a_lease_for_all("0 l2:o=a a*; 20 l2:o- lease:plndr=a; 35 a?; 60")]
#[case::nobody_was_heard_of_whose_status_is_gone("0 l2:o=a; 20 l2:o-; 60")]
#[case::it_follows_in_time("0 l2:o=a a*; 20 b*; 28 l2:p=b l2:o-; 60")]
fn no_contradiction(#[case] script: &str) {
    let mut scene = Scene::new();
    scene.play(script);
    assert_eq!(scene.changes(), Vec::<String>::new());
}
