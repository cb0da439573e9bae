//! Open connections that would be refused.

use flow_model::flow::FlowTuple;

use super::*;

const CAUSE: &str =
    "NetworkPolicy postgres/default-deny-ingress was changed at 2026-04-29T10:12:03Z by OpenTofu";

/// The change, which was made long before anything is found here.
fn cause() -> Cause {
    Cause { text: CAUSE.into(), at: Some(at(-10_000)) }
}

fn tuple(sport: u16) -> FlowTuple {
    FlowTuple {
        src: [10, 42, 0, 10].into(),
        sport,
        dst: [10, 43, 239, 89].into(),
        dport: 5432,
        backend: Some(([10, 42, 0, 12].into(), 5432)),
    }
}

fn postgres() -> Endpoint {
    Endpoint {
        service: Some("postgres/pal-e-postgres-rw".into()),
        ..pod("postgres", "pal-e-postgres", [10, 43, 239, 89], 5432)
    }
}

fn group(ports: &[u16]) -> LatentGroup {
    LatentGroup {
        src: pod("pal-e-docs", "pal-e-docs", [10, 42, 0, 10], ports[0]),
        dst: postgres(),
        vantage: Vantage::Source,
        verdict: Arc::new(FlowVerdict {
            decision: Decision::Deny,
            direction: Some(Direction::Ingress),
            policies: vec!["postgres/default-deny-ingress".into()],
            explanation: "refused by NetworkPolicy postgres/default-deny-ingress; no rule admits namespace \
                          pal-e-docs"
                .into(),
        }),
        open: ports.len().try_into().unwrap(),
        since: at(-100),
        older: true,
        cause: Some(cause()),
        examples: ports.iter().map(|port| tuple(*port)).collect(),
    }
}

#[test]
fn what_is_reported_again_at_the_same_instant_is_emitted_once() {
    let mut scene = Scene::new();
    scene.findings.latent(&[group(&[40_122])], at(0));
    scene.findings.latent(&[group(&[40_122])], at(0));
    one(scene.emitted());
    assert_eq!(scene.tick(2), []);

    scene.findings.latent(&[group(&[40_122, 40_123])], at(0));
    scene.findings.latent(&[group(&[40_122])], at(0));
    assert_eq!(scene.tick(4), [], "changed and changed back");
    scene.findings.latent(&[group(&[40_122, 40_123])], at(4));
    assert_eq!(one(scene.tick(6)).count, 2);
}

#[test]
fn what_changed_back_counts_as_compared() {
    let half = SignedDuration::from_millis(500);
    let mut scene = Scene::new();
    scene.findings.latent(&[group(&[1])], at(0));
    one(scene.emitted());
    scene.findings.latent(&[group(&[1])], at(0));
    assert_eq!(scene.tick(2), [], "nothing differs");
    scene.findings.latent(&[group(&[1, 2])], at(2) + half);
    scene.findings.tick(at(2) + half);
    assert_eq!(scene.emitted(), [], "it is compared once a second");
    assert_eq!(one(scene.tick(3)).count, 2);
}

#[test]
fn a_cause_that_can_no_longer_be_found_stays() {
    let mut scene = Scene::new();
    scene.findings.latent(&[group(&[1])], at(0));
    assert_eq!(one(scene.emitted()).cause.as_deref(), Some(CAUSE));
    let otherwise = LatentGroup { cause: None, ..group(&[1]) };
    scene.findings.latent(&[otherwise], at(2));
    assert_eq!(one(scene.tick(2)).cause.as_deref(), Some(CAUSE), "what began it is still what began it");
}

#[test]
fn the_five_day_bug_in_one_sentence() {
    let mut scene = Scene::new();
    scene.findings.latent(&[group(&[40_122])], at(0));
    let finding = one(scene.emitted());
    assert_eq!(
        finding.summary,
        format!(
            "pal-e-docs/pal-e-docs has 1 open connection to postgres/pal-e-postgres:5432 (Service \
            postgres/pal-e-postgres-rw) that the current policies would refuse: NetworkPolicy \
            postgres/default-deny-ingress; no rule admits namespace pal-e-docs. {CAUSE}"
        )
    );
    assert_eq!((finding.kind, finding.severity), (FindingKind::LatentDenial, Severity::Warning));
    assert_eq!((finding.count, finding.cause.as_deref()), (1, Some(CAUSE)));
    assert_eq!(finding.policies, ["postgres/default-deny-ingress"]);
    let flow = "10.42.0.10:40122 -> 10.43.239.89:5432 (backend 10.42.0.12:5432)";
    assert_eq!(texts(&finding), [format!("{flow} open since before the agent started")]);
}

#[test]
fn it_lasts_as_long_as_the_connection() {
    let mut scene = Scene::new();
    scene.findings.latent(&[group(&[1, 2])], at(0));
    let finding = one(scene.emitted());
    assert!(finding.summary.contains("has 2 open connections to"));
    for day in 1..=5 {
        assert_eq!(scene.tick(day * 86_400), [], "keepalives only, and nothing new to say");
    }
    scene.findings.latent(&[group(&[2])], at(6 * 86_400));
    let finding = one(scene.tick(6 * 86_400));
    assert_eq!((finding.count, finding.last_seen, finding.evidence.len()), (1, at(6 * 86_400), 1));
    scene.findings.latent(&[], at(7 * 86_400));
    let over = one(scene.emitted());
    assert_eq!((over.state, over.ended), (State::Resolved, Some(at(7 * 86_400))));
    let because = "no connection that the policies would refuse is open any more";
    assert_eq!((over.ended_because.as_deref(), over.cause.as_deref()), (Some(because), Some(CAUSE)));
    scene.findings.latent(&[], at(7 * 86_400 + 1));
    assert_eq!(scene.emitted(), []);
}

#[test]
fn repeated_lists_are_emitted_once_a_second() {
    let mut scene = Scene::new();
    let mut emitted = 0;
    for second in 0..10 {
        for _ in 0..20 {
            scene.findings.latent(&[group(&[1])], at(second));
            scene.findings.tick(at(second));
            emitted += scene.emitted().len();
        }
    }
    assert_eq!(emitted, 10);
}

#[test]
fn groups_of_one_subject_are_one_finding() {
    let young = LatentGroup { since: at(-10), older: false, vantage: Vantage::Transit, ..group(&[7]) };
    let mut scene = Scene::new();
    scene.findings.latent(&[young, group(&[8, 9])], at(0));
    let finding = one(scene.emitted());
    assert_eq!((finding.count, finding.src.as_ref().unwrap().port), (3, 8), "the oldest speaks");
    let since: Vec<_> = texts(&finding).iter().map(|text| text.split_once(" open").unwrap().1).collect();
    let young = format!(" since {}", at(-10));
    assert_eq!(since, [young.as_str(), " since before the agent started", ""]);
}

/// Returns an attempt that the policies refuse as they would the connection.
fn refused(group: &LatentGroup) -> Attempt {
    Attempt {
        src: group.src.clone(),
        dst: group.dst.clone(),
        verdict: Some(Arc::clone(&group.verdict)),
        ..rejected(Decision::Deny)
    }
}

#[test]
fn attempts_do_not_touch_it_and_the_refusal_inherits_its_cause() {
    let mut scene = Scene::new();
    let group = group(&[1]);
    scene.findings.latent(std::slice::from_ref(&group), at(0));
    one(scene.emitted());
    let refused = refused(&group);
    scene.findings.latent(&[], at(50));
    one(scene.emitted());
    let finding = one(scene.attempt(60, &refused));
    assert_eq!((finding.kind, finding.cause.as_deref()), (FindingKind::PolicyDenied, Some(CAUSE)));

    let other = Attempt { verdict: verdict(Decision::Deny), ..refused };
    let mut scene = Scene::new();
    scene.findings.latent(&[group], at(0));
    one(scene.emitted());
    assert_eq!(one(scene.attempt(60, &other)).cause, None, "another policy, another cause");
    scene.findings.policies_changed(&mut |_, _| verdict(Decision::Allow), at(61));
    assert_eq!(one(scene.emitted()).kind, FindingKind::PolicyDenied, "latent() says when it is over");
}

/// The policy was broken, mended and broken again; only then did the client restart.
#[test]
fn a_cause_that_was_taken_back_is_not_inherited() {
    let mut scene = Scene::new();
    let group = group(&[1]);
    scene.findings.latent(std::slice::from_ref(&group), at(0));
    scene.findings.latent(&[], at(660));
    scene.emitted();
    let again = Cause { text: "NetworkPolicy postgres/p was created".into(), at: Some(at(780)) };
    let (refused, change) = (refused(&group), Some(at(780)));
    let of = |cause| AttemptFacts { cause, policy_change: change, ..facts(at(800), &refused) };
    let finding = one(scene.facts(&of(Some(&again))));
    assert_eq!((finding.cause, finding.cause_at), (Some(again.text.clone()), again.at));

    let mut scene = Scene::new();
    scene.findings.latent(std::slice::from_ref(&group), at(0));
    scene.findings.latent(&[], at(660));
    scene.emitted();
    assert_eq!(one(scene.facts(&of(None))).cause, None, "no cause is better than a wrong one");
}

#[test]
fn a_cause_found_later_counts_only_if_it_came_before() {
    let of = |cause| LatentGroup { cause, ..group(&[1]) };
    let text = |text: &str, second| Cause { text: text.into(), at: Some(at(second)) };
    let mut scene = Scene::new();
    scene.findings.latent(&[of(None)], at(0));
    assert_eq!(one(scene.emitted()).cause, None);
    scene.findings.latent(&[of(Some(text("too late", 1)))], at(2));
    assert_eq!(one(scene.tick(2)).cause, None, "it was there before");
    scene.findings.latent(&[of(Some(text("in time", 0)))], at(4));
    assert_eq!(one(scene.tick(4)).cause.as_deref(), Some("in time"));
    scene.findings.latent(&[of(Some(text("other", -1)))], at(6));
    assert_eq!(one(scene.tick(6)).cause.as_deref(), Some("in time"), "the first one stays");
}
