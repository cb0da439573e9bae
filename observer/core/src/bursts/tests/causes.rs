//! The causes of bursts, and the sentences about them.

use flow_model::object_ref::ObjectRef;
use rstest::rstest;

use super::*;

fn established() -> Flow {
    flow(web(), cache(), Phase::Established)
}

fn clients(story: &mut Story, at: f64, established: u32, orphans: u32) {
    for n in 0..established + orphans {
        let phase = if n < established { Phase::Established } else { Phase::Orphan };
        let client = outside(u8::try_from(n % 5).unwrap());
        story.reset(at + 0.02 * f64::from(n), &flow(client, database(), phase));
    }
}

/// The newest resets are the ones that tell.
#[test]
fn what_most_resets_tell_is_the_cause() {
    let mut story = Story::experienced();
    story.causes.moves.push(moved(99.9));
    let told = Flow { cause: Some(ResetCause::ConntrackInvalid), ..established() };
    story.resets(100.0, 0.5, 4, &established());
    story.resets(100.5, 0.5, 20, &told);
    story.until(101.5);
    let finding = story.finding();
    let clause = "connection tracking took what the server sent for invalid (conntrack_invalid)";
    assert!(finding.summary.ends_with(&format!("; {clause}")), "{}", finding.summary);
    assert_eq!(finding.cause, Some(format!("not_translated: {clause}")));
    assert_eq!(story.counted, ["data/cache not_translated"]);
}

#[test]
fn the_incident() {
    let mut story = Story::experienced();
    story.causes.moves.push(moved(98.8));
    clients(&mut story, 100.0, 41, 3);
    story.until(102.0);
    let finding = story.finding();
    assert_eq!(
        finding.summary,
        "10.0.20.200 (dbaas/postgresql-lb): 41 resets of established connections and 3 of connections unknown to this node in 10 s from 5 clients; \
         it moved k8s-node3 -> k8s-node4 1.2 s before"
    );
    assert_eq!(finding.cause.as_deref(), Some("vip_move: it moved k8s-node3 -> k8s-node4 1.2 s before"));
    assert_eq!((finding.count, finding.vip.as_deref(), finding.kind), (44, Some(VIP), FindingKind::RstBurst));
    assert_eq!((finding.state, finding.severity), (State::Active, Severity::Warning));
    let evidence: Vec<_> = finding.evidence.iter().map(|e| e.text.as_str()).collect();
    assert_eq!(
        evidence[..2],
        [
            "it moved k8s-node3 -> k8s-node4",
            "41 resets of established connections and 3 of connections unknown to this node in 10 s from 5 clients"
        ]
    );
    assert_eq!(
        evidence[6],
        "10.0.30.3:40003 -> 10.0.20.200:5432: reset by server, orphan (its start was not seen here)"
    );
    assert_eq!(story.counted, ["dbaas/pg-cluster vip_move"]);

    // It is over 30 s after the window has emptied.
    story.until(139.0);
    assert_eq!(story.finding().state, State::Active);
    story.until(142.0);
    assert_eq!(story.finding().state, State::Resolved);
    assert_eq!(story.finding().cause, finding.cause);
    assert_eq!(story.finding().ended_because.as_deref(), Some("it has been calm for 30 s"));

    // The next move is another episode.
    story.causes.moves.push(moved(200.0));
    clients(&mut story, 200.5, 0, 6);
    story.until(202.0);
    let again = story.findings().into_iter().find(|found| found.state == State::Active).unwrap();
    assert_eq!((again.subject, again.previous), (finding.subject, Some(finding.id)));
    assert!(
        again
            .summary
            .contains(": 6 resets of connections unknown to this node in 10 s from 5 clients; it moved"),
        "{}",
        again.summary
    );
    assert_eq!(story.counted.len(), 2);
}

#[test]
fn a_deploy_that_closes_its_connections() {
    let mut story = Story::experienced();
    story.resets(100.0, 1.0, 12, &established());
    story.until(102.0);
    assert!(story.finding().summary.ends_with("; no cause is known"), "{}", story.finding().summary);
    assert_eq!(story.counted, [""; 0]);
    // The API reports a little later.
    story
        .causes
        .endpoints
        .push(change(102.2, "backend data/cache-0 (10.42.2.6) of data/cache became unready"));
    story.until(110.0);
    let finding = story.finding();
    assert_eq!(
        finding.summary,
        "data/cache: 12 resets of established connections in 10 s from web/front; \
         backend data/cache-0 (10.42.2.6) of data/cache became unready 2.2 s after the first"
    );
    assert!(finding.cause.unwrap().starts_with("endpoint_change: "));
    assert_eq!(story.counted, ["data/cache endpoint_change"]);
}

#[test]
fn without_a_cause_it_is_unknown_and_says_what_was_looked_for() {
    let mut story = Story::experienced();
    story.resets(100.0, 1.0, 5, &established());
    story.until(120.0);
    let cause = "unknown: no VIP moved, and no policy or backend changed, in the 30 s before";
    assert_eq!(story.finding().cause.as_deref(), Some(cause));
    assert_eq!(story.counted, ["data/cache unknown"]);
}

const POLICY: &str = "NetworkPolicy data/cache-ingress was changed at 2026-11-18T00:00:00Z by OpenTofu";

#[rstest]
#[case::nothing(&[], &[], &[], "unknown")]
#[case::policy(&[], &[95.0], &[], "policy_change")]
#[case::nearest(&[], &[95.0], &[97.0], "endpoint_change")]
#[case::nearest_is_the_policy(&[], &[98.0], &[97.0], "policy_change")]
#[case::a_close_move_first(&[96.0], &[99.0], &[99.5], "vip_move")]
#[case::a_move_long_ago_is_not_first(&[80.0], &[], &[99.5], "endpoint_change")]
#[case::a_move_long_ago(&[71.0], &[], &[], "vip_move")]
#[case::too_long_ago(&[69.0], &[69.0], &[69.0], "unknown")]
#[case::after_the_resets(&[101.5], &[], &[], "unknown")]
#[case::records_change_places(&[100.5], &[], &[], "vip_move")]
#[case::the_api_is_late(&[], &[], &[104.0], "endpoint_change")]
#[case::too_late(&[], &[106.0], &[106.0], "unknown")]
fn the_nearest_cause(
    #[case] moves: &[f64],
    #[case] policies: &[f64],
    #[case] endpoints: &[f64],
    #[case] expect: &str,
) {
    let mut story = Story::experienced();
    story.causes = Made {
        moves: moves.iter().map(|at| moved(*at)).collect(),
        policies: policies.iter().map(|at| change(*at, POLICY)).collect(),
        endpoints: endpoints
            .iter()
            .map(|at| change(*at, "backend data/cache-0 of data/cache went"))
            .collect(),
        backed: vec!["dbaas/postgresql-lb".into()],
    };
    story.resets(100.0, 1.0, 10, &established());
    story.until(130.0);
    assert_eq!(story.counted, [format!("data/cache {expect}")]);
    assert!(story.finding().cause.unwrap().starts_with(expect), "{:?}", story.finding());
}

#[test]
fn a_policy_change_elsewhere_is_not_the_cause() {
    let mut story = Story::experienced();
    story.causes.policies.push(change(99.0, "NetworkPolicy other/deny was created at 2026-11-18T00:00:00Z"));
    story.resets(100.0, 1.0, 10, &established());
    story.until(130.0);
    assert_eq!(story.counted, ["data/cache unknown"]);
}

/// Behind the VIP its address is not seen any more.
#[rstest]
#[case::by_its_service(Some("dbaas/postgresql-lb"), false, "vip_move")]
#[case::by_its_backends(None, true, "vip_move")]
#[case::another_service(Some("data/cache"), false, "unknown")]
fn a_move_of_a_vip_in_front_of_the_workload(
    #[case] service: Option<&str>,
    #[case] backed: bool,
    #[case] expect: &str,
) {
    let mut story = Story::experienced();
    story.causes.moves.push(moved(99.0));
    story.causes.backed.extend(backed.then(|| "dbaas/postgresql-lb".into()));
    let dst = Endpoint { service: service.map(ObjectRef::from), ..pod("dbaas/pg-0", [10, 42, 1, 3], 5432) };
    story.resets(100.0, 1.0, 6, &flow(outside(1), dst, Phase::Orphan));
    story.until(120.0);
    let finding = story.finding();
    assert_eq!(story.counted, [format!("dbaas/pg {expect}")]);
    let emitted = "dbaas/pg: 6 resets of connections unknown to this node in 10 s from 10.0.30.1; \
                VIP 10.0.20.200 (dbaas/postgresql-lb) moved k8s-node3 -> k8s-node4 1.0 s before";
    assert_eq!(finding.summary == emitted, expect == "vip_move", "{}", finding.summary);
    assert_eq!(finding.vip.is_some(), expect == "vip_move");
}

#[test]
fn a_move_during_a_small_burst_takes_the_blame_for_the_big_one() {
    let mut story = Story::experienced();
    clients(&mut story, 100.0, 6, 0);
    story.until(115.0);
    assert_eq!(story.counted, ["dbaas/pg-cluster unknown"]);
    story.causes.moves.push(moved(115.0));
    clients(&mut story, 116.0, 30, 0);
    story.until(120.0);
    assert_eq!(story.counted, ["dbaas/pg-cluster unknown", "dbaas/pg-cluster vip_move"]);
    assert!(story.finding().summary.contains("30 resets"), "{}", story.finding().summary);
    assert!(story.finding().summary.ends_with("it moved k8s-node3 -> k8s-node4 1.0 s before"));
    assert_eq!(story.finding().count, 36);
}

#[test]
fn refusals_are_not_counted() {
    let mut story = Story::experienced();
    story.resets(100.0, 5.0, 100, &flow(web(), cache(), Phase::Handshake));
    story.resets(105.0, 1.0, 2, &established());
    story.resets(106.0, 1.0, 2, &flow(web(), cache(), Phase::Orphan));
    story.until(120.0);
    story.quiet();
    // The two phases that count, count together.
    story.resets(120.0, 1.0, 6, &established());
    story.resets(121.0, 1.0, 4, &flow(web(), cache(), Phase::Orphan));
    story.until(123.0);
    assert!(
        story.finding().summary.contains(
            "6 resets of established connections and 4 of connections unknown to this node in 10 s"
        )
    );
}

#[test]
fn low_volume_stays_under_the_floor() {
    let mut story = Story::experienced();
    for n in 0..100 {
        story.reset(100.0 + 2.6 * f64::from(n), &established());
    }
    story.until(400.0);
    story.quiet();
}

#[test]
fn servers_are_kept_apart_and_strangers_are_not_counted() {
    let mut story = Story::experienced();
    for n in 0..4 {
        story.reset(100.0 + f64::from(n), &established());
        story.reset(100.1 + f64::from(n), &flow(web(), database(), Phase::Orphan));
        story
            .reset(100.2 + f64::from(n), &flow(web(), pod("data/other-0", [10, 42, 0, 9], 1), Phase::Orphan));
    }
    story.resets(105.0, 1.0, 50, &flow(web(), Endpoint::bare([1, 1, 1, 1].into(), 443), Phase::Established));
    story.until(120.0);
    story.quiet();
}

#[test]
fn a_service_without_a_known_workload_has_a_name() {
    let mut story = Story::experienced();
    let service = Endpoint { service: Some("data/lb".into()), ..Endpoint::bare([10, 43, 0, 5].into(), 80) };
    story.resets(100.0, 1.0, 7, &flow(web(), service, Phase::Established));
    story.until(102.0);
    assert!(story.finding().summary.starts_with("Service data/lb: 7 resets of established connections"));
}

#[test]
fn more_clients_than_are_distinguished() {
    let mut story = Story::experienced();
    for n in 0..60 {
        story.reset(100.0 + 0.1 * f64::from(n), &flow(outside(n), database(), Phase::Orphan));
    }
    story.until(107.0);
    assert!(story.finding().summary.contains("in 10 s from more than 31 clients"), "{:?}", story.finding());
}
