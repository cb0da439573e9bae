//! Tests that there is one finding per episode, from its first failure to its end.

use super::*;
use Decision::{Allow, Deny, Unknown};

fn resolved(emitted: Vec<Finding>) -> Finding {
    let finding = one(emitted);
    assert_eq!(finding.state, State::Resolved);
    finding
}

#[test]
fn a_storm_is_one_finding_emitted_once_a_second() {
    let mut scene = Scene::new();
    let mut emitted = Vec::new();
    for n in 0..10_000_u16 {
        let millis = at(0) + SignedDuration::from_millis(i64::from(n));
        let src = storefront(n);
        scene.findings.attempt(&facts(millis, &Attempt { src, ..rejected(Deny) }));
        if n % 50 == 49 {
            scene.findings.tick(millis);
        }
        emitted.extend(scene.emitted());
    }
    emitted.extend(scene.tick(11));
    assert_eq!(scene.findings.len(), 1);
    assert!((10..=12).contains(&emitted.len()), "{}", emitted.len());
    assert!(emitted.iter().all(|finding| finding.id == emitted[0].id && finding.first_seen == at(0)));
    let last = emitted.last().unwrap();
    assert_eq!((last.count, last.state), (10_000, State::Active));
    let ports = last.evidence.iter().map(|e| e.text[11..].split(' ').next().unwrap());
    let expected = ["0", "1", "2", "9993", "9994", "9995", "9996", "9997", "9998", "9999"];
    assert_eq!(ports.collect::<Vec<_>>(), expected);
}

#[test]
fn pods_of_a_workload_share_a_finding_and_ports_and_kinds_do_not() {
    let mut scene = Scene::new();
    let id = one(scene.attempt(0, &rejected(Deny))).id;
    let sibling = Endpoint { pod: Some("storefront-9".into()), ip: [10, 42, 3, 3].into(), ..storefront(7) };
    assert_eq!(scene.attempt(1, &Attempt { src: sibling, ..rejected(Deny) }), []);
    let port = Endpoint { port: 6380, ..valkey() };
    let others = [
        one(scene.attempt(2, &Attempt { dst: port, ..rejected(Deny) })).id,
        one(scene.attempt(3, &rejected(Allow))).id,
        one(scene.attempt(4, &Attempt { src: valkey(), dst: storefront(1), ..rejected(Deny) })).id,
    ];
    assert_eq!(scene.findings.len(), 4);
    assert!(others.iter().all(|other| *other != id));
}

/// Written down once: they must outlive restarts, and be the same on every node.
#[test]
fn ids_are_stable() {
    let finding = one(Scene::new().attempt(0, &rejected(Deny)));
    assert_eq!(finding.subject, "6a147b341b77767a");
    assert_eq!(finding.id, "19d27c426a26e2f6");
    let mut elsewhere = Findings::new("node2".into(), FindingsConfig::default());
    elsewhere.attempt(&facts(at(19), &rejected(Deny)));
    assert_eq!(elsewhere.next_output().unwrap().finding.id, finding.id, "it begins in the same minute");
    let mut later = Findings::new("node1".into(), FindingsConfig::default());
    later.attempt(&facts(at(99), &rejected(Deny)));
    let other = later.next_output().unwrap().finding;
    assert_eq!(other.subject, finding.subject);
    assert_ne!(other.id, finding.id, "it is another episode");
}

#[test]
fn a_success_resolves_after_it_has_settled() {
    let mut scene = Scene::new();
    one(scene.attempt(0, &rejected(Deny)));
    assert_eq!(scene.attempt(20, &established(Allow)), []);
    assert_eq!(scene.tick(29), []);
    let over = resolved(scene.tick(30));
    assert_eq!((over.last_seen, over.ended, over.count), (at(0), Some(at(30)), 1));
    assert_eq!(scene.tick(31), []);
}

#[test]
fn a_failure_takes_the_success_back() {
    let mut scene = Scene::new();
    one(scene.attempt(0, &rejected(Deny)));
    for second in [5, 14, 23, 32] {
        scene.attempt(second, &established(Allow));
        scene.attempt(second + 8, &rejected(Deny));
        assert!(scene.tick(second + 8).iter().all(|f| f.state == State::Active));
    }
    assert!(scene.tick(60).iter().all(|f| f.state == State::Active));
    scene.attempt(61, &established(Unknown));
    scene.attempt(69, &established(Allow));
    assert_eq!(scene.tick(70), []);
    resolved(scene.tick(71));
}

#[test]
fn only_what_came_after_the_failure_and_concerns_it_is_a_success() {
    let mut scene = Scene::new();
    one(scene.attempt(10, &rejected(Deny)));
    scene.attempt(9, &established(Allow));
    scene.attempt(10, &established(Allow));
    scene.attempt(11, &Attempt { src: pod("jobs", "batch", [10, 42, 0, 11], 1), ..established(Allow) });
    scene.attempt(11, &Attempt { dst: Endpoint { port: 80, ..valkey() }, ..established(Allow) });
    assert_eq!(scene.tick(120), []);
}

#[test]
fn one_address_outside_says_nothing_of_another() {
    let to = |ip: [u8; 4], of: Attempt| Attempt { dst: Endpoint::bare(ip.into(), 443), ..of };
    let mut scene = Scene::new();
    one(scene.attempt(0, &to([1, 1, 1, 1], attempt(Outcome::Unanswered, None, Allow))));
    scene.attempt(1, &to([8, 8, 8, 8], established(Allow)));
    assert_eq!(scene.tick(60), []);
    scene.attempt(61, &to([1, 1, 1, 1], established(Allow)));
    resolved(scene.tick(71));
}

#[test]
fn a_mismatch_is_over_when_the_policy_bites() {
    let mut scene = Scene::new();
    one(scene.attempt(0, &established(Deny)));
    assert_eq!(one(scene.attempt(20, &rejected(Deny))).kind, FindingKind::PolicyDenied);
    let over = resolved(scene.tick(30));
    let because = format!("the policies have been enforced since {}", at(20));
    assert_eq!((over.kind, over.ended_because), (FindingKind::EnforcementMismatch, Some(because)));
}

#[test]
fn what_connects_against_the_policies_does_not_end_their_refusals() {
    let mut scene = Scene::new();
    one(scene.attempt(0, &rejected(Deny)));
    one(scene.attempt(20, &established(Deny)));
    assert_eq!(scene.tick(120), []);
}

#[test]
fn silence_resolves_and_a_relapse_is_another_episode() {
    let mut scene = Scene::new();
    let first = one(scene.attempt(0, &rejected(Deny)));
    scene.attempt(5, &rejected(Deny));
    assert_eq!(one(scene.tick(6)).count, 2);
    assert_eq!(scene.tick(604), []);
    let over = resolved(scene.tick(605));
    assert_eq!((over.first_seen, over.last_seen, over.ended), (at(0), at(5), Some(at(605))));
    assert_eq!(over.ended_because.as_deref(), Some("no attempt has failed for 10m"));
    let back = one(scene.attempt(4000, &rejected(Deny)));
    assert_eq!((back.state, back.count, back.evidence.len()), (State::Active, 1, 1));
    assert_eq!((back.first_seen, back.last_seen, back.ended), (at(4000), at(4000), None));
    assert_eq!((&back.subject, back.previous.as_ref()), (&first.subject, Some(&first.id)));
    assert_ne!(back.id, first.id);
}

#[test]
fn episodes_of_one_minute_have_ids_of_their_own() {
    let mut scene = Scene::new();
    let mut ids = Vec::new();
    for second in 0..5 {
        let began = one(scene.attempt(second, &rejected(Deny)));
        assert_eq!(began.previous.as_ref(), ids.last());
        ids.push(began.id);
        scene.findings.policies_changed(&mut |_, _| verdict(Allow), at(second));
        resolved(scene.emitted());
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 5);
}

#[test]
fn a_subject_that_gave_way_comes_back_with_another_id() {
    let mut scene = Scene::with(FindingsConfig { max: 1, ..FindingsConfig::default() });
    let to = |port| Attempt { dst: Endpoint { port, ..valkey() }, ..rejected(Deny) };
    let ids: BTreeSet<_> =
        (0..6).flat_map(|second| scene.attempt(second, &to(80 + second as u16 % 2))).map(|f| f.id).collect();
    assert_eq!(ids.len(), 6);
}

#[test]
fn an_attempt_from_before_the_end_begins_nothing() {
    let mut scene = Scene::new();
    let first = one(scene.attempt(10, &rejected(Deny)));
    scene.findings.policies_changed(&mut |_, _| verdict(Allow), at(12));
    resolved(scene.emitted());
    assert_eq!(scene.attempt(11, &rejected(Deny)), [], "its name was awaited meanwhile");
    let next = one(scene.attempt(12, &rejected(Deny)));
    assert_eq!((next.previous, next.count), (Some(first.id), 1));
    scene.findings.policies_changed(&mut |_, _| verdict(Allow), at(4000));
    resolved(scene.emitted());
    assert_eq!(one(scene.attempt(400, &rejected(Deny))).count, 1, "the clock was set back");
}

/// The policy was broken, mended and broken again.
#[test]
fn the_end_does_not_replace_the_cause_and_the_next_episode_has_its_own() {
    let mut scene = Scene::new();
    let attempt = rejected(Deny);
    let refused = |scene: &mut Scene, second, text: &str, changed| {
        let cause = Cause { text: text.into(), at: Some(at(changed)) };
        scene.facts(&AttemptFacts { cause: Some(&cause), ..facts(at(second), &attempt) })
    };
    assert_eq!(one(refused(&mut scene, 10, "broken", 5)).cause.as_deref(), Some("broken"));
    refused(&mut scene, 11, "changed again", 11);
    assert_eq!(one(scene.tick(12)).cause.as_deref(), Some("broken"), "it is what began it");
    scene.findings.policies_changed(&mut |_, _| verdict(Allow), at(20));
    let over = resolved(scene.emitted());
    assert_eq!((over.cause.as_deref(), over.cause_at), (Some("broken"), Some(at(5))));
    assert_eq!(over.ended_because, Some(format!("the policies allow it since {}", at(20))));
    let again = one(refused(&mut scene, 40, "broken anew", 30));
    assert_eq!((again.cause.as_deref(), again.cause_at), (Some("broken anew"), Some(at(30))));
    scene.findings.policies_changed(&mut |_, _| verdict(Allow), at(50));
    resolved(scene.emitted());
    assert_eq!(one(refused(&mut scene, 60, "too late", 61)).cause, None, "it was refused before that");
}

#[test]
fn each_client_pod_has_its_share() {
    let mut scene = Scene::new();
    let of =
        |pod: &str| Attempt { src: Endpoint { pod: Some(pod.into()), ..storefront(1) }, ..rejected(Deny) };
    for second in 0..5 {
        scene.attempt(second, &of("old"));
    }
    scene.attempt(6, &of("new"));
    let finding = one(scene.tick(7));
    let share = |count, second| Some(Share { count, first_seen: at(second) });
    assert_eq!(
        (finding.count, finding.of_src),
        (6, share(1, 6)),
        "the new pod can't have failed before it was there"
    );
    scene.attempt(8, &of("old"));
    assert_eq!(one(scene.tick(9)).of_src, share(6, 0));
    let outside = Attempt { src: Endpoint::bare([1, 1, 1, 1].into(), 1), ..rejected(Deny) };
    assert_eq!(one(scene.attempt(9, &outside)).of_src, None, "it is no pod");
}

#[test]
fn what_is_resolved_is_kept_for_an_hour() {
    let mut scene = Scene::new();
    one(scene.attempt(0, &rejected(Deny)));
    resolved(scene.tick(600));
    scene.tick(4200);
    assert_eq!(scene.findings.len(), 1);
    assert_eq!(scene.tick(4201), []);
    assert!(scene.findings.is_empty());
}

#[test]
fn policies_that_allow_resolve_at_once_and_say_so() {
    let mut scene = Scene::new();
    one(scene.attempt(0, &rejected(Deny)));
    one(scene.attempt(0, &attempt(Outcome::Unanswered, None, Allow)));
    let mut asked = Vec::new();
    let mut rejudge = |src: &Endpoint, dst: &Endpoint| {
        asked.push((src.clone(), dst.clone()));
        verdict(Allow)
    };
    scene.findings.policies_changed(&mut rejudge, at(5) + SignedDuration::from_millis(326));
    assert_eq!(asked, [(storefront(40_000), valkey())]);
    let over = resolved(scene.emitted());
    // Sentences give times to the second.
    let why = format!("the policies allow it since {}", at(5));
    assert_eq!((over.ended_because, over.cause), (Some(why), None));
    assert_eq!(over.kind, FindingKind::PolicyDenied);

    let back = one(scene.attempt(6, &rejected(Deny)));
    assert_eq!((back.ended, back.ended_because), (None, None), "it has not ended");
}

#[test]
fn policies_that_still_refuse_are_quoted_anew() {
    let mut scene = Scene::new();
    one(scene.attempt(0, &rejected(Deny)));
    let mut said = FlowVerdict::clone(&verdict(Deny).unwrap());
    said.explanation = "refused by NetworkPolicy data/other".into();
    said.policies = vec!["data/other".into()];
    for answer in [None, verdict(Unknown), verdict(Deny)] {
        scene.findings.policies_changed(&mut |_, _| answer.clone(), at(5));
        assert_eq!(scene.tick(20), []);
    }
    scene.findings.policies_changed(&mut |_, _| Some(Arc::new(said.clone())), at(25));
    let finding = one(scene.tick(30));
    assert!(finding.summary.ends_with("refused by NetworkPolicy data/other"), "{}", finding.summary);
    assert_eq!((finding.policies, finding.count), (said.policies, 1));
}

#[test]
fn a_connection_that_the_policies_now_allow_is_no_mismatch() {
    let mut scene = Scene::new();
    one(scene.attempt(0, &established(Deny)));
    scene.findings.policies_changed(&mut |_, _| verdict(Allow), at(5));
    resolved(scene.emitted());
    one(scene.attempt(6, &rejected(Allow)));
    scene.findings.policies_changed(&mut |_, _| verdict(Allow), at(7));
    assert_eq!(scene.emitted(), [], "a firewall's reject does not rest on what the policies said");
}

#[test]
fn severity_that_changes_is_emitted_at_once() {
    let mut scene = Scene::new();
    let refused = |decision| attempt(Outcome::Refused, Some("rst"), decision);
    assert_eq!(one(scene.attempt(0, &rejected(Unknown))).severity, Severity::Info);
    assert_eq!(one(scene.attempt(0, &refused(Allow))).severity, Severity::Warning);
    assert_eq!(scene.attempt(0, &refused(Allow)), []);
}

#[test]
fn the_table_makes_room_and_counts_it() {
    let mut scene = Scene::with(FindingsConfig { max: 3, ..FindingsConfig::default() });
    let to = |port| Attempt { dst: Endpoint { port, ..valkey() }, ..rejected(Deny) };
    let mut scan = |seconds, port| {
        let src = Endpoint::bare([203, 0, 113, 9].into(), 1);
        let dst = Endpoint { port, ..valkey() };
        scene.attempt(seconds, &Attempt { src, dst, ..attempt(Outcome::Refused, Some("rst"), Allow) })
    };
    assert_eq!(one(scan(30, 22)).severity, Severity::Info);
    let ports = |emitted: &[Finding]| -> Vec<_> {
        emitted.iter().map(|f| (f.dst.as_ref().unwrap().port, f.state)).collect()
    };
    one(scene.attempt(0, &to(1)));
    scene.attempt(1, &Attempt { dst: Endpoint { port: 1, ..valkey() }, ..established(Allow) });
    resolved(scene.tick(11));
    one(scene.attempt(20, &to(2)));
    assert_eq!(ports(&scene.attempt(31, &to(3))), [(3, State::Active)], "the resolved one went");
    let emitted = scene.attempt(32, &to(4));
    assert_eq!(
        ports(&emitted),
        [(22, State::Resolved), (4, State::Active)],
        "scans give way before the stalest"
    );
    assert_eq!(emitted[0].ended_because.as_deref(), Some("forgotten: there are too many findings"));
    let emitted = scene.attempt(33, &to(5));
    assert_eq!(ports(&emitted), [(2, State::Resolved), (5, State::Active)]);
    assert_eq!((scene.findings.len(), scene.findings.take_crowded_out()), (3, 3));
    assert_eq!(scene.findings.take_crowded_out(), 0);
}

#[test]
fn a_clock_set_back_does_not_silence_anything() {
    let mut scene = Scene::new();
    one(scene.attempt(3600, &rejected(Deny)));
    scene.attempt(0, &rejected(Deny));
    let finding = one(scene.tick(1));
    assert_eq!((finding.count, finding.first_seen, finding.last_seen), (2, at(3600), at(3600)));
}
