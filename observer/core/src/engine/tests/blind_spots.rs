//! What the agent can't see of pods is a finding.

use flow_model::blind_spot::{BlindReason, BlindSpot};
use flow_model::finding::{Finding, FindingKind, Severity, State};

use super::*;

fn spot(reason: BlindReason, place: &str, hides_pod: bool) -> BlindSpot {
    BlindSpot { reason, place: place.into(), why: format!("why of {place}"), hides_pod, addresses: vec![] }
}

/// Handles inputs at their milliseconds, and returns the findings as they were emitted last.
fn findings(inputs: Vec<(i64, Input)>) -> Vec<Finding> {
    let mut engine = Engine::new("n1");
    let mut findings: Vec<Finding> = Vec::new();
    for (ms, input) in inputs {
        engine.handle(input, at(ms));
        while let Some(output) = engine.next_output() {
            let Output::Finding(update) = output else { continue };
            findings.retain(|known| known.id != update.finding.id);
            findings.push(update.finding);
        }
    }
    findings
}

fn blind(spots: Vec<BlindSpot>) -> Input {
    Input::Blind { spots }
}

#[test]
fn a_pod_that_is_not_seen_is_a_finding_until_it_is() {
    let behind = || spot(BlindReason::InFront, "veth1", true);
    let begun = vec![(0, blind(vec![behind()])), (4_900, Input::Tick), (5_000, Input::Tick)];
    let [finding] = &findings(begun.clone())[..] else { panic!("no finding") };
    assert_eq!((finding.kind, finding.state), (FindingKind::BlindSpot, State::Active));
    assert_eq!((finding.first_seen, finding.count, finding.severity), (at(5_000), 1, Severity::Warning));
    assert_eq!(
        finding.summary,
        "the agent on n1 may not see all traffic of the pod behind veth1: another program runs before its own"
    );
    assert!(finding.evidence.iter().any(|evidence| evidence.text == "why of veth1"), "{finding:?}");
    let ended = [begun, vec![(6_000, blind(vec![])), (6_050, Input::Tick)]].concat();
    let [finding] = &findings(ended)[..] else { panic!("no finding") };
    assert_eq!(finding.state, State::Resolved);
}

#[test]
fn one_finding_has_all_places_of_a_reason() {
    let places = (0..20).map(|n| spot(BlindReason::Bypassed, &format!("veth{n:02}"), true)).collect();
    let [finding] = &findings(vec![(0, blind(places)), (5_000, Input::Tick)])[..] else { panic!("not one") };
    assert_eq!(finding.count, 20);
    assert!(finding.summary.contains("pods behind 20 interfaces"), "{}", finding.summary);
    assert!(finding.evidence.iter().any(|evidence| evidence.text == "12 further interfaces alike"));
}

#[test]
fn what_hides_no_pod_or_passes_is_no_finding() {
    let uplink = spot(BlindReason::InFront, "eth0", false);
    let brief = spot(BlindReason::AttachFailed, "veth1", true);
    let inputs = vec![
        (0, blind(vec![uplink.clone(), brief])),
        (4_000, blind(vec![uplink])),
        (9_000, Input::Tick),
        (60_000, Input::Tick),
    ];
    assert_eq!(findings(inputs), []);
}

/// Returns what the sentence says of blind places that have the pods at these addresses behind them.
fn named(addresses: &[&str]) -> Finding {
    let place = |(n, ip): (usize, &&str)| {
        let addresses = vec!["fe80::1".parse().unwrap(), ip.parse().unwrap()];
        BlindSpot { addresses, ..spot(BlindReason::Bypassed, &format!("veth{n:02}"), true) }
    };
    let spots = addresses.iter().enumerate().map(place).collect();
    let pods =
        (0..8).map(|n| pod("web", &format!("front-{n}"), &format!("10.42.0.{}", 10 + n), "front")).collect();
    let inventory = Arc::new(Inventory { pods, ..Inventory::default() });
    let inputs = vec![(0, Input::Cluster { inventory }), (0, blind(spots)), (5_000, Input::Tick)];
    let [finding] = &findings(inputs)[..] else { panic!("not one") };
    finding.clone()
}

#[test]
fn pods_that_are_hidden_have_names() {
    let finding = named(&["10.42.0.10"]);
    assert!(finding.summary.contains("of pod web/front-0 (behind veth00): packets"), "{}", finding.summary);
    assert!(finding.evidence.iter().any(|e| e.text == "web/front-0: why of veth00"), "{finding:?}");
    for (addresses, sentence) in [
        (&["10.42.0.11", "10.42.0.10"][..], "of pods web/front-0, web/front-1: packets"),
        (&["10.42.0.10", "10.42.9.9"], "of pods web/front-0 and 1 more: packets"),
        (&["10.42.9.8", "10.42.9.9"], "of pods behind 2 interfaces: packets"),
        (&["10.42.9.8"], "of the pod behind veth00: packets"),
    ] {
        let finding = named(addresses);
        assert!(finding.summary.contains(sentence), "{}", finding.summary);
    }
    let all: Vec<String> = (10..18).map(|n| format!("10.42.0.{n}")).collect();
    let finding = named(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(finding.summary.contains("web/front-4 and 3 more: packets"), "{}", finding.summary);
    assert!(!finding.summary.contains("front-5"), "{}", finding.summary);
    assert_eq!(finding.count, 8);
}
