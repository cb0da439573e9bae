//! Tests the announcers according to the API, each source for itself.

use flow_model::object_ref::ObjectRef;
use rstest::rstest;

use super::*;

#[rstest]
#[case::created_then_deleted("0 l2:x=a; 10 l2:y=b; 11 l2:x-; 20", ClaimSource::L2Status, 1)]
#[case::deleted_then_created("0 l2:x=a; 10 l2:x-; 11 l2:y=b; 20", ClaimSource::L2Status, 1)]
#[case::created_empty("0 l2:x=a; 10 l2:y=; 11 l2:x-; 12 l2:y=b; 20", ClaimSource::L2Status, 1)]
#[case::rewritten_by_the_same("0 l2:x=a; 10 l2:x-; 11 l2:y=a; 20", ClaimSource::L2Status, 0)]
#[case::a_lease_changes_hands("0 lease:x=a; 10 lease:x=b; 20 lease:x=a; 30", ClaimSource::Lease, 2)]
#[case::a_lease_is_released("0 lease:x=a; 10 lease:x=; 11 lease:x=b; 20", ClaimSource::Lease, 1)]
#[case::a_lease_is_taken_anew("0 lease:x=a; 10 lease:x=; 11 lease:x=a; 20", ClaimSource::Lease, 0)]
#[case::events_repeat("0 event:x=a; 10 event:x=a; 20 event:y=a; 30", ClaimSource::Event, 0)]
#[case::an_event_names_another("0 event:x=a; 10 event:y=b; 30", ClaimSource::Event, 1)]
fn moves_by_the_api(#[case] script: &str, #[case] source: ClaimSource, #[case] expected: usize) {
    let mut scene = Scene::new();
    scene.play(script);
    assert_eq!(scene.moves(source), expected);
    assert_eq!(scene.moves(ClaimSource::Wire), 0);
    assert_eq!(scene.vips.moves_since(at(0.0)).filter(|moved| moved.source == source).count(), expected);
}

#[test]
fn a_lease_that_flaps_where_no_wire_is_heard_is_a_flap() {
    let mut scene = Scene::new();
    scene.play("0 lease:x=a; 10 lease:x=b; 20 lease:x=a; 30 lease:x=b; 31");
    let summary = &scene.last(FindingKind::VipFlap).summary;
    assert_eq!(
        *summary,
        "10.0.20.200 (dbaas/postgresql-lb) moved node-a <-> node-b 3 times in 5 min according to its Lease"
    );
}

#[test]
fn each_source_is_shown() {
    let mut scene = Scene::new();
    scene.play("0 l2:x=a lease:y=b event:z= c*; 2");
    let api: Vec<_> = scene.snapshot(VIP).api.into_iter().map(|c| (c.source, c.object, c.node)).collect();
    let object = |source, name: &str, node: Option<&str>| {
        (source, ObjectRef::new("metallb-system", name), node.map(ArcStr::from))
    };
    assert_eq!(
        api,
        [
            object(ClaimSource::L2Status, "x", Some("node-a")),
            object(ClaimSource::Lease, "y", Some("node-b")),
            object(ClaimSource::Event, "z", None),
        ]
    );
}

#[test]
fn nodes_may_be_given_by_address() {
    let mut scene = Scene::new();
    let mut status = announcer(ClaimSource::L2Status, "x", "", at(0.0));
    status.nodes = vec![arcstr::format!("{}", node_ip('b'))];
    scene.inventory.announcers = vec![status.into()];
    scene.apply();
    scene.play("0 b*; 60");
    assert_eq!(scene.snapshot(VIP).api[0].node.as_deref(), Some("node-b"));
    assert_eq!(scene.changes(), Vec::<String>::new());
}

#[test]
fn the_balancer_of_k3s_answers_at_the_nodes_own_addresses() {
    let mut scene = Scene::new();
    let (b, c) = (node_ip('b').to_string(), node_ip('c').to_string());
    scene.inventory.services = vec![service(SERVICE, &[&b, &c])];
    scene.inventory.announcers = vec![announcer(ClaimSource::Ingress, "postgresql-lb", "bc", at(0.0)).into()];
    scene.apply();
    for (vip, host) in [(&b, 'b'), (&c, 'c')] {
        let api = scene.snapshot(vip).api;
        assert_eq!((api.len(), api[0].node.clone()), (1, Some(arcstr::format!("node-{host}"))));
    }
}

#[test]
fn a_lease_for_all_speaks_where_nobody_else_does() {
    let mut scene = Scene::new();
    let all = Announcer { service: None, ..announcer(ClaimSource::Lease, "plndr-svcs-lock", "a", at(0.0)) };
    scene.inventory.announcers = vec![all.into()];
    scene.apply();
    scene.play("2");
    assert_eq!(scene.snapshot(VIP).api.len(), 1);
    scene.play("3 l2:x=b; 5");
    let api = scene.snapshot(VIP).api;
    assert_eq!((api.len(), api[0].source), (1, ClaimSource::L2Status));
}
