//! Findings of other detectors.

use flow_model::finding::Evidence;

use super::*;

const KIND: FindingKind = FindingKind::VipFlap;
const VIP: [&str; 2] = ["vip", "10.0.20.200"];

fn raised(count: u64) -> Raised {
    Raised {
        kind: KIND,
        subject: VIP.map(ArcStr::from).to_vec(),
        severity: Severity::Warning,
        summary: format!("moved {count} times"),
        src: None,
        dst: Some(valkey()),
        vip: Some("10.0.20.200".into()),
        nodes: Vec::new(),
        policies: Vec::new(),
        cause: None,
        evidence: (0..count).map(|n| Evidence { time: at(0), text: format!("move {n}") }).collect(),
        count,
    }
}

impl Scene {
    fn raise(&mut self, seconds: i64, raised: Raised) -> Vec<Finding> {
        self.findings.raise(raised, at(seconds));
        self.told()
    }

    fn lower(&mut self, seconds: i64, because: Option<&str>) -> Vec<Finding> {
        self.findings.lower(KIND, &VIP, because.map(str::to_owned), at(seconds));
        self.told()
    }
}

#[test]
fn one_begins_goes_on_and_ends() {
    let mut scene = Scene::new();
    let first = one(scene.raise(0, raised(3)));
    assert_eq!((first.state, first.count, first.summary.as_str()), (State::Active, 3, "moved 3 times"));
    assert_eq!((first.vip.as_deref(), first.dst.clone()), (Some("10.0.20.200"), Some(valkey())));
    assert_eq!(scene.raise(0, raised(4)), [], "an update waits");
    let update = one(scene.tick(1));
    assert_eq!((update.count, update.evidence.len()), (4, 4));
    let end = one(scene.lower(2, Some("it is quiet")));
    assert_eq!(
        (end.state, end.resolved_at, end.cause.as_deref()),
        (State::Resolved, Some(at(2)), Some("it is quiet"))
    );
    assert_eq!(texts(&end).last(), Some(&"it is quiet"));
    assert_eq!(scene.lower(3, None), [], "it has ended");
    let again = one(scene.raise(10, Raised { cause: Some("x".into()), ..raised(3) }));
    assert_eq!((&again.id, again.first_seen, again.cause.as_deref()), (&first.id, at(0), Some("x")));
    let end = one(scene.lower(11, Some("it is quiet")));
    assert_eq!(end.cause.as_deref(), Some("x"), "what brought it about stays told");
    assert_eq!(scene.tick(11 + 3601), []);
    assert!(scene.findings.is_empty());
}

#[test]
fn silence_ends_it_and_news_is_told_at_once() {
    let mut scene = Scene::new();
    scene.raise(0, raised(3));
    let worse = one(scene.raise(0, Raised { severity: Severity::Critical, ..raised(3) }));
    assert_eq!(worse.severity, Severity::Critical);
    assert_eq!(one(scene.tick(600)).state, State::Resolved);
}

#[test]
fn subjects_and_kinds_are_apart_and_ids_are_stable() {
    let mut scene = Scene::new();
    let id = |subject: &[&str], kind, scene: &mut Scene| {
        let subject = subject.iter().map(|part| ArcStr::from(*part)).collect();
        one(scene.raise(0, Raised { subject, kind, ..raised(1) })).id
    };
    let ids = [
        id(&VIP, KIND, &mut scene),
        id(&VIP, FindingKind::VipConflict, &mut scene),
        id(&["vip", "10.0.20.201"], KIND, &mut scene),
        id(&["vip1", "0.0.20.201"], KIND, &mut scene),
    ];
    assert_eq!(scene.findings.len(), ids.iter().collect::<std::collections::BTreeSet<_>>().len());
    assert_eq!(id(&VIP, KIND, &mut Scene::new()), ids[0]);
}

#[test]
fn many_subjects_and_much_evidence_are_bounded() {
    let mut scene = Scene::with(FindingsConfig { max: 3, ..FindingsConfig::default() });
    for n in 0..10_u32 {
        let subject = vec![arcstr::format!("{n}")];
        scene.raise(n.into(), Raised { subject, ..raised(1000) });
    }
    assert_eq!(scene.findings.len(), 3);
    assert_eq!(scene.findings.take_crowded_out(), 7);
    let told = one(scene.raise(20, raised(1000)).into_iter().filter(|f| f.state == State::Active).collect());
    assert_eq!(told.evidence.len(), 10);
}
