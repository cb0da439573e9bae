//! For any input bounds hold, counts add up, and everything ends.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Attempt { client: u8, server: u8, outcome: u8, decision: u8, signal: u8, late: bool },
    Latent(Vec<u8>),
    Policies(u8),
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<(u16, Step)>> {
    let attempt = (0..5_u8, 0..3_u8, 0..4_u8, 0..3_u8, 0..4_u8, any::<bool>()).prop_map(
        |(client, server, outcome, decision, signal, late)| Step::Attempt {
            client,
            server,
            outcome,
            decision,
            signal,
            late,
        },
    );
    let latent = prop::collection::vec(0..5_u8, 0..4).prop_map(Step::Latent);
    let step = prop_oneof![6 => attempt, 1 => latent, 1 => (0..4_u8).prop_map(Step::Policies), 3 => Just(Step::Tick)];
    // Several things in one instant are rare among random milliseconds, and still happen.
    let millis = prop_oneof![1 => Just(0_u16), 4 => 0..6_000_u16];
    prop::collection::vec((millis, step), 0..200)
}

fn client(n: u8) -> Endpoint {
    match n {
        0 => Endpoint::bare([203, 0, 113, 1].into(), 1),
        n => pod("web", &format!("c{n}"), [10, 42, 0, n], 1),
    }
}

fn decision(n: u8) -> Decision {
    [Decision::Allow, Decision::Deny, Decision::Unknown][usize::from(n % 3)]
}

fn made(client_n: u8, server: u8, outcome: u8, of: u8, signal: u8) -> Attempt {
    let outcomes = [Outcome::Established, Outcome::Refused, Outcome::Rejected, Outcome::Unanswered];
    let signals = [None, Some("rst"), Some("icmp-port-unreachable"), Some("icmp-host-unreachable")];
    Attempt {
        src: client(client_n),
        dst: Endpoint { port: 6379 + u16::from(server), ..valkey() },
        ..attempt(outcomes[usize::from(outcome)], signals[usize::from(signal)], decision(of))
    }
}

/// A sentence names both sides where they are known, and the port, and says nothing twice.
fn assert_plain(finding: &Finding) {
    let Finding { summary, src, dst, .. } = finding;
    assert!(!summary.contains("not known: not known"), "{summary}");
    let summary = summary.replace("the pod of 10.42.0.12 is not known", "a reason");
    for side in [src, dst].into_iter().flatten() {
        let owner = side.owner().map(|owner| owner.to_string());
        assert!(summary.contains(&owner.clone().unwrap_or_else(|| side.ip.to_string())), "{summary}");
        assert!(owner.is_none() || !summary.contains(&side.ip.to_string()), "{summary}");
    }
    assert!(dst.as_ref().is_none_or(|dst| summary.contains(&format!(":{}", dst.port))), "{summary}");
    let parts: Vec<&str> = summary.split(": ").flat_map(|part| part.split("; ")).collect();
    assert!(parts.windows(2).all(|pair| pair[0] != pair[1] && !pair[0].ends_with(pair[1])), "{summary}");
}

/// Returns the change that a reader would find by comparing with what was emitted before.
fn expected(before: Option<&Finding>, finding: &Finding) -> FindingChange {
    let was_active = before.is_some_and(|before| before.state == State::Active);
    let confirms = |before: &Finding| Finding { last_seen: finding.last_seen, ..before.clone() } == *finding;
    match finding.state {
        State::Active if !was_active => FindingChange::Appeared,
        State::Active if before.is_some_and(confirms) => FindingChange::Confirmed,
        State::Active => FindingChange::Updated,
        State::Resolved => FindingChange::Resolved,
    }
}

/// Plays the steps. Returns each finding as it was last emitted, and the number of attempts that failed.
fn play(
    findings: &mut Findings,
    steps: &[(u16, Step)],
    mut check: impl FnMut(Option<&Finding>, &Finding, Timestamp),
) -> (HashMap<ArcStr, Finding>, u64) {
    let (mut now, mut failures) = (at(0), 0);
    let mut known: HashMap<ArcStr, Finding> = HashMap::new();
    let mut drain = |findings: &mut Findings, now| {
        while let Some(FindingUpdate { change, finding }) = findings.next_output() {
            assert_eq!(change, expected(known.get(&finding.id), &finding));
            check(known.get(&finding.id), &finding, now);
            known.insert(finding.id.clone(), finding);
        }
    };
    for (millis, step) in steps {
        now += SignedDuration::from_millis((*millis).into());
        match step {
            Step::Attempt { client, server, outcome, decision, signal, late } => {
                let attempt = made(*client, *server, *outcome, *decision, *signal);
                failures += u64::from(*outcome != 0 || *decision == 1);
                let time = now - SignedDuration::from_millis(if *late { 100 } else { 0 });
                findings.attempt(&facts(time, &attempt));
            }
            Step::Latent(clients) => {
                let groups: Vec<_> = clients.iter().map(|n| refusable(client(*n), now, None)).collect();
                findings.latent(&groups, now);
            }
            Step::Policies(3) => findings.policies_changed(&mut |_, _| None, now),
            Step::Policies(n) => findings.policies_changed(&mut |_, _| verdict(decision(*n)), now),
            Step::Tick => findings.tick(now),
        }
        drain(findings, now);
    }
    findings.latent(&[], now);
    findings.tick(now + SignedDuration::from_secs(1));
    findings.tick(now + SignedDuration::from_mins(10));
    drain(findings, now + SignedDuration::from_mins(10));
    (known, failures)
}

proptest! {
    #[test]
    fn bounds_hold_and_everything_ends(steps in steps(), max in 1_usize..6) {
        let mut findings = Findings::new("node1".into(), FindingsConfig { max, ..FindingsConfig::default() });
        let (known, _) = play(&mut findings, &steps, |_, emitted, _| {
            assert!(emitted.evidence.len() <= 10 && emitted.first_seen <= emitted.last_seen);
            assert_plain(emitted);
            assert_eq!(emitted.ended.is_some(), emitted.state == State::Resolved);
            assert_eq!(emitted.ended_because.is_some(), emitted.state == State::Resolved);
        });
        prop_assert!(findings.len() <= max);
        prop_assert!(known.values().all(|finding| finding.state == State::Resolved));
        findings.tick(at(3 * 3600));
        prop_assert!(findings.is_empty());
    }

    #[test]
    fn counts_add_up_and_nothing_is_repeated(steps in steps()) {
        let mut findings = Findings::new("node1".into(), FindingsConfig::default());
        let mut emitted_at: HashMap<ArcStr, Timestamp> = HashMap::new();
        let (known, failures) = play(&mut findings, &steps, |before, emitted, now| {
            let emitted_before = emitted_at.insert(emitted.id.clone(), now);
            let Some(before) = before else { return };
            assert_ne!(before, emitted, "emitted twice");
            assert_eq!(before.first_seen, emitted.first_seen);
            let news = before.state != emitted.state || before.severity != emitted.severity;
            let waited = now.duration_since(emitted_before.unwrap());
            // An attempt is emitted as of its own time, which may be a little earlier.
            assert!(news || waited >= SignedDuration::from_millis(900), "{waited} {emitted:#?}");
        });
        let of_attempts = known.values().filter(|finding| finding.kind != FindingKind::LatentDenial);
        // What becomes known only after the end of an episode counts in none.
        prop_assert!(of_attempts.map(|finding| finding.count).sum::<u64>() <= failures);
        prop_assert_eq!(findings.take_crowded_out(), 0);
    }
}
