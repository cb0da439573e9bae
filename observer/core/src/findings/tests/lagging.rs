//! Contradictions while enforcement may lag, and the findings that begin with them.

use flow_model::record::{EnforcementLag, LagSince};

use super::*;
use Decision::{Allow, Deny};

/// Marks an attempt as one that enforcement lagged behind.
fn lagging(attempt: Attempt, age_ms: u64) -> Attempt {
    let lag = EnforcementLag { since: LagSince::Policy, age_us: age_ms * 1_000 };
    Attempt { enforcement_lag: Some(lag), ..attempt }
}

#[test]
fn a_record_of_several_attempts_counts_as_all_of_them() {
    let mut scene = Scene::new();
    scene.early(1, &lagging(Attempt { count: 20, ..established(Deny) }, 3_240));
    (2..=5)
        .for_each(|second| scene.early(second, &lagging(Attempt { count: 3, ..established(Deny) }, 3_240)));
    let finding = one(scene.attempt(20, &Attempt { count: 400, ..established(Deny) }));
    assert_eq!((finding.count, finding.first_seen), (20 + 4 * 3 + 400, at(1)));
    assert_eq!(
        finding.of_src.map(|share| share.count),
        Some(20 + 2 * 3 + 400),
        "those that are listed, and the newest"
    );
}

impl Scene {
    fn early(&mut self, seconds: i64, attempt: &Attempt) {
        let facts = AttemptFacts { settling: true, ..facts(at(seconds), attempt) };
        assert_eq!(self.facts(&facts), []);
    }

    fn slips_through(&mut self, seconds: i64) {
        self.early(seconds, &lagging(established(Deny), 3_240));
    }
}

#[test]
fn a_finding_begins_with_what_came_too_early_for_one() {
    let mut scene = Scene::new();
    (1..=5).for_each(|second| scene.slips_through(second));
    let finding = one(scene.attempt(20, &established(Deny)));
    assert_eq!(finding.kind, FindingKind::EnforcementMismatch);
    assert_eq!((finding.first_seen, finding.last_seen, finding.count), (at(1), at(20), 6));
    let times: Vec<_> = finding.evidence.iter().map(|evidence| evidence.time).collect();
    assert_eq!(times, [at(1), at(2), at(3), at(20)], "the first ones, and the newest");
    let flow = "10.42.0.10:40000 -> 10.43.0.5:6379 (backend 10.42.0.12:6379)";
    let [first, .., newest] = texts(&finding)[..] else { panic!("{finding:#?}") };
    assert_eq!(first, format!("{flow} established: syn-ack, 3.2 s after the policies changed"));
    assert_eq!(newest, format!("{flow} established: syn-ack"));
}

#[test]
fn what_was_enforced_meanwhile_is_no_evidence() {
    for agrees in [rejected(Deny), established(Allow)] {
        let mut scene = Scene::new();
        scene.slips_through(1);
        scene.attempt(2, &agrees);
        scene.updates();
        let finding = one(scene.attempt(20, &established(Deny)));
        assert_eq!((finding.first_seen, finding.count), (at(20), 1));
    }
}

#[test]
fn a_contradiction_of_the_opposite_verdict_is_no_evidence() {
    let mut scene = Scene::new();
    scene.slips_through(1);
    let finding = one(scene.attempt(20, &rejected(Allow)));
    assert_eq!((finding.first_seen, finding.count), (at(20), 1));

    let mut scene = Scene::new();
    scene.slips_through(1);
    scene.early(2, &lagging(rejected(Allow), 100));
    let finding = one(scene.attempt(20, &rejected(Allow)));
    assert_eq!((finding.first_seen, finding.count), (at(2), 2));
}

#[test]
fn a_contradiction_of_policies_that_are_gone_is_no_evidence() {
    for (now, expected) in [(Allow, at(20)), (Deny, at(1))] {
        let mut scene = Scene::new();
        scene.slips_through(1);
        scene.findings.policies_changed(&mut |_, _| verdict(now), at(2));
        assert_eq!(one(scene.attempt(20, &established(Deny))).first_seen, expected);
    }
}

#[test]
fn silence_is_no_evidence_of_a_mismatch() {
    let mut scene = Scene::new();
    scene.early(1, &attempt(Outcome::Unanswered, None, Allow));
    assert_eq!(one(scene.attempt(20, &rejected(Allow))).count, 1);
}

#[test]
fn what_was_seen_in_an_episode_that_is_over_belongs_to_no_other() {
    let mut scene = Scene::new();
    one(scene.attempt(0, &established(Deny)));
    scene.slips_through(5);
    scene.attempt(6, &attempt(Outcome::Rejected, Some("icmp-port-unreachable"), Deny));
    scene.slips_through(7);
    scene.updates();
    let over: Vec<_> =
        scene.tick(17).into_iter().filter(|f| f.kind == FindingKind::EnforcementMismatch).collect();
    assert_eq!(one(over).state, State::Resolved);
    let finding = one(scene.attempt(30, &established(Deny)));
    assert_eq!((finding.first_seen, finding.count), (at(30), 1));
}

#[test]
fn what_is_remembered_is_bounded_and_forgotten() {
    let mut scene = Scene::new();
    for port in 0..1_000 {
        let dst = Endpoint { port, backend_port: None, ..valkey() };
        scene.early(i64::from(port), &lagging(Attempt { dst, ..established(Deny) }, 0));
    }
    assert_eq!(scene.findings.lagging.len(), 256);
    scene.tick(999 + 600 - 10);
    assert_eq!(scene.findings.lagging.len(), 11, "ten minutes without another one");
    scene.tick(999 + 601);
    assert!(scene.findings.lagging.is_empty());
}
