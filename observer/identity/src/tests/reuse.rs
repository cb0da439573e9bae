//! Pods that come, go and inherit addresses.

use flow_model::flow::Vantage;
use rstest::rstest;

use super::*;

const A: &str = "10.42.0.9";

fn a(start: f64) -> Pod {
    mk_pod("a-1", &[A], Some(start))
}

fn b(start: f64) -> Pod {
    mk_pod("b-1", &[A], Some(start))
}

fn deleting(pod: Pod) -> Pod {
    Pod { deleting: true, ..pod }
}

fn finished(pod: Pod) -> Pod {
    Pod { finished: true, ips: Vec::new(), ..pod }
}

#[test]
fn a_pod_is_named_in_full_by_all_its_addresses() {
    let identity = after([(10.0, vec![mk_pod("db/pg-0", &["10.42.0.9", "fd00::9"], Some(0.0))])]);
    for address in ["10.42.0.9", "fd00::9", "::ffff:10.42.0.9"] {
        let endpoint = client(&identity, ip(address), 77, t(11.0));
        assert_eq!((endpoint.ip, endpoint.port), (ip(address), 77));
        assert_eq!(endpoint.namespace.as_deref(), Some("db"));
        assert_eq!(endpoint.pod.as_deref(), Some("pg-0"));
        assert_eq!(
            (endpoint.workload.as_deref(), endpoint.workload_kind.as_deref()),
            (Some("pg"), Some("Deployment"))
        );
        assert_eq!((endpoint.node, endpoint.service, endpoint.backend_ip), (None, None, None));
    }
    assert_eq!(client(&identity, ip("10.42.0.8"), 77, t(11.0)), Endpoint::bare(ip("10.42.0.8"), 77));
}

#[rstest]
#[case::before_its_start_by_clock_skew(vec![(10.0, vec![a(5.0)])], 3.5, "a-1")]
#[case::long_before_its_start(vec![(10.0, vec![a(5.0)])], 2.0, "-")]
#[case::start_of_a_clock_ahead(vec![(10.0, vec![a(99.0)])], 10.0, "a-1")]
#[case::no_start_at_first_sight(vec![(10.0, vec![mk_pod("a-1", &[A], None)])], -900.0, "a-1")]
#[case::no_start_later(vec![(1.0, vec![]), (10.0, vec![mk_pod("a-1", &[A], None)])], 7.0, "-")]
#[case::no_start_just_before(vec![(1.0, vec![]), (10.0, vec![mk_pod("a-1", &[A], None)])], 9.5, "a-1")]
#[case::while_it_is_deleted(vec![(10.0, vec![a(0.0)]), (20.0, vec![deleting(a(0.0))])], 900.0, "a-1")]
#[case::after_it_is_gone(vec![(10.0, vec![a(0.0)]), (20.0, vec![])], 319.0, "a-1")]
#[case::long_after_it_is_gone(vec![(10.0, vec![a(0.0)]), (20.0, vec![])], 321.0, "-")]
#[case::after_it_finished(vec![(10.0, vec![a(0.0)]), (20.0, vec![finished(a(0.0))])], 319.0, "a-1")]
#[case::long_after_it_finished(vec![(10.0, vec![a(0.0)]), (20.0, vec![finished(a(0.0))])], 321.0, "-")]
#[case::out_of_sight_for_a_while(vec![(10.0, vec![a(0.0)]), (20.0, vec![]), (30.0, vec![a(0.0)])], 999.0, "a-1")]
// Reuse, in the order gone, then taken.
#[case::old_before_reuse(vec![(9.0, vec![a(0.0)]), (20.0, vec![]), (30.0, vec![b(25.0)])], 24.9, "a-1")]
#[case::new_from_its_start(vec![(9.0, vec![a(0.0)]), (20.0, vec![]), (30.0, vec![b(25.0)])], 25.0, "b-1")]
#[case::same_second_before_the_end(vec![(9.0, vec![a(0.0)]), (20.6, vec![]), (21.0, vec![b(20.0)])], 20.5, "a-1")]
#[case::same_second_after_the_end(vec![(9.0, vec![a(0.0)]), (20.6, vec![]), (21.0, vec![b(20.0)])], 20.7, "b-1")]
#[case::pending_long_before(vec![(9.0, vec![a(5.0)]), (20.0, vec![]), (30.0, vec![b(2.0)])], 19.0, "a-1")]
#[case::pending_long_after(vec![(9.0, vec![a(5.0)]), (20.0, vec![]), (30.0, vec![b(2.0)])], 21.0, "b-1")]
// Both at once: the source was slow, or the old one lingers.
#[case::swapped_before(vec![(9.0, vec![a(0.0)]), (30.0, vec![b(25.0)])], 24.9, "a-1")]
#[case::swapped_after(vec![(9.0, vec![a(0.0)]), (30.0, vec![b(25.0)])], 25.0, "b-1")]
#[case::swapped_with_useless_starts(vec![(9.0, vec![a(0.0)]), (30.0, vec![b(0.0)])], 29.0, "a-1")]
#[case::swapped_with_useless_starts_after(vec![(9.0, vec![a(0.0)]), (30.0, vec![b(0.0)])], 30.0, "b-1")]
#[case::lingering_before(vec![(30.0, vec![b(25.0), deleting(a(0.0))])], 24.0, "a-1")]
#[case::lingering_after(vec![(30.0, vec![b(25.0), deleting(a(0.0))])], 26.0, "b-1")]
#[case::lingering_then_gone(vec![(30.0, vec![deleting(a(0.0)), b(25.0)]), (40.0, vec![b(25.0)])], 41.0, "b-1")]
#[case::same_start_one_is_going(vec![(30.0, vec![b(5.0), deleting(a(5.0))])], 31.0, "b-1")]
#[case::reused_and_gone(vec![(9.0, vec![a(0.0)]), (20.0, vec![b(15.0)]), (30.0, vec![])], 40.0, "b-1")]
fn holder(#[case] pictures: Vec<(f64, Vec<Pod>)>, #[case] at: f64, #[case] expect: &str) {
    assert_eq!(who(&after(pictures), A, at), expect);
}

#[test]
fn without_uid_a_new_start_is_a_new_pod() {
    let by_hand = |pod: Pod| Pod { uid: "".into(), ..pod };
    let identity =
        after([(9.0, vec![by_hand(a(0.0))]), (30.0, vec![by_hand(a(25.0))]), (40.0, vec![by_hand(a(25.0))])]);
    let start = |at: f64| identity.pod(ip(A), t(at)).unwrap().start.unwrap();
    assert_eq!((start(24.0), start(26.0), identity.len()), (t(0.0), t(25.0), 2));
}

#[test]
fn an_address_wanders_from_pod_to_pod() {
    let pod = |i: u32| mk_pod(&format!("p{i}-x"), &[A], Some(f64::from(i) * 10.0));
    let identity = after((0..12).map(|i| (f64::from(i) * 10.0 + 2.0, vec![pod(i)])));
    for i in 0..12 {
        assert_eq!(who(&identity, A, f64::from(i) * 10.0 + 5.0), format!("p{i}-x"));
    }
}

#[test]
fn labels_and_owners_are_updated_in_place() {
    let renamed = Pod { workload: Workload { kind: "CronJob".into(), name: "nightly".into() }, ..a(0.0) };
    let identity = after([(9.0, vec![a(0.0)]), (20.0, vec![renamed])]);
    assert_eq!(client(&identity, ip(A), 1, t(5.0)).workload.as_deref(), Some("nightly"));
    assert_eq!(identity.len(), 1);
}

#[test]
fn pruning_forgets_what_no_event_can_name() {
    let mut identity = after([(9.0, vec![a(0.0)]), (20.0, vec![])]);
    identity.prune(t(320.0));
    assert_eq!(who(&identity, A, 300.0), "a-1");
    identity.prune(t(400.0));
    assert!(identity.is_empty());
}

#[test]
fn a_workload_departs_once_and_after_its_last_name() {
    let mut identity = after([(9.0, vec![a(0.0), mk_pod("a-2", &["10.42.0.10"], Some(0.0))])]);
    assert!(identity.departed(t(10.0)).is_empty());
    identity.apply(Arc::new(mk_inventory([a(0.0)], [])), t(20.0));
    assert!(identity.departed(t(1000.0)).is_empty());
    identity.apply(Arc::new(mk_inventory([], [])), t(1001.0));
    assert!(identity.departed(t(1300.0)).is_empty());
    assert!(identity.knows_workload("web", "a"));
    assert_eq!(identity.departed(t(1400.0)), ["web/a"]);
    assert!(!identity.knows_workload("web", "a"));
    assert!(identity.departed(t(1500.0)).is_empty());
    identity.apply(Arc::new(mk_inventory([a(1550.0)], [])), t(1551.0));
    identity.apply(Arc::new(mk_inventory([finished(a(1550.0))], [])), t(1600.0));
    assert_eq!(identity.departed(t(2000.0)), ["web/a"]);
}

#[test]
fn a_workload_stays_while_a_service_names_it() {
    let service = || mk_service("web/api", &["10.43.0.1"], 80, &[A]);
    let mut identity = Identity::new();
    identity.apply(Arc::new(mk_inventory([a(0.0)], [service()])), t(1.0));
    identity.apply(Arc::new(mk_inventory([], [Service { backends: vec![], ..service() }])), t(2.0));
    assert!(identity.departed(t(1000.0)).is_empty());
    assert_eq!(server(&identity, ip("10.43.0.1"), 80, None, t(1000.0)).workload.as_deref(), Some("a"));
    identity.apply(Arc::new(mk_inventory([], [])), t(1001.0));
    assert_eq!(identity.departed(t(2000.0)), ["web/a"]);
}

#[test]
fn churn_is_bounded() {
    let mut identity = Identity::new();
    for round in 0..40_u32 {
        let start = f64::from(round);
        let pod = |i: u32| {
            let address = format!("10.{}.{}.{}", i >> 16, (i >> 8) & 255, i & 255);
            mk_pod(&format!("p-{round}-{i}"), &[&address, "10.250.0.1"], Some(start))
        };
        let pods: Vec<_> = (0..2500).map(|i| pod(round * 2500 + i)).collect();
        identity.apply(Arc::new(mk_inventory(pods, [])), t(start));
    }
    assert!(identity.len() <= 65_536 + 2500 + 16, "{} remembered", identity.len());
    assert_eq!(who(&identity, "10.1.134.159", 39.0), "p-39-99999");
}

#[test]
fn local_pods() {
    let elsewhere = Pod { node: Some("k2".into()), ..mk_pod("b-1", &["10.42.1.1"], Some(0.0)) };
    let unscheduled = Pod { node: None, ..mk_pod("c-1", &["10.42.2.1"], Some(0.0)) };
    let host = mk_host_pod("h-1", "192.168.0.1", &[]);
    let identity = after([(9.0, vec![a(0.0), elsewhere, unscheduled, host])]);
    let local = |address: &str| {
        let resolved = identity.resolve(&flow(address, ip("192.0.2.1"), 80, None), t(10.0));
        resolved.vantage("k1") == Vantage::Source
    };
    assert!(local(A));
    assert_eq!(["10.42.1.1", "10.42.2.1", "192.168.0.1", "1.1.1.1"].map(local), [false; 4]);
}

#[test]
fn an_address_is_new_if_pods_were_listed_before_it() {
    let other = || mk_pod("c-1", &["10.42.0.7"], Some(0.0));
    let identity = after([(0.0, vec![]), (10.0, vec![other()]), (20.0, vec![other(), a(15.0)])]);
    let listed = |from: &str, at: f64| {
        let tuple = FlowTuple { src: ip(from), sport: 1, dst: ip("10.42.0.7"), dport: 80, backend: None };
        let resolved = identity.resolve(&tuple, t(at));
        (resolved.client_listed(), resolved.server_listed())
    };
    assert_eq!(listed(A, 21.0), (Some(t(20.0)), None), "the first pods may be older than the agent");
    assert_eq!(listed("10.42.0.8", 21.0), (None, None), "nobody's");
}

#[test]
fn an_address_that_changes_hands_is_new_again() {
    let identity = after([(10.0, vec![a(0.0)]), (20.0, vec![b(15.0)]), (30.0, vec![b(15.0)])]);
    let tuple = FlowTuple { src: ip(A), sport: 1, dst: ip("10.42.0.7"), dport: 80, backend: None };
    assert_eq!(identity.resolve(&tuple, t(12.0)).client_listed(), None);
    assert_eq!(identity.resolve(&tuple, t(31.0)).client_listed(), Some(t(20.0)));
}
