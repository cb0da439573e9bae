//! Findings of other detectors.

use flow_model::finding::Evidence;

use super::*;
use crate::subject::Subject;

const KIND: FindingKind = FindingKind::VipFlap;

fn vip() -> Subject {
    Subject::Vip([10, 0, 20, 200].into())
}

fn raised(count: u64) -> Raised {
    Raised {
        kind: KIND,
        subject: vip(),
        last_seen: at(0),
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
    /// Reports this beside all that is raised already.
    fn raise(&mut self, seconds: i64, raised: Raised) -> Vec<Finding> {
        self.raised.insert(raised.key(), Raised { last_seen: at(seconds), ..raised });
        self.report(seconds, None)
    }

    /// Reports all but this.
    fn lower(&mut self, seconds: i64, because: Option<&str>) -> Vec<Finding> {
        self.raised.remove(&FindingKey { kind: KIND, subject: vip() });
        self.report(seconds, because)
    }

    fn report(&mut self, seconds: i64, because: Option<&str>) -> Vec<Finding> {
        let mut detected = Detected::nothing(FindingSource::Vips);
        detected.raised.extend(self.raised.values().cloned());
        if let Some(because) = because {
            detected.end(KIND, vip(), because);
        }
        self.findings.report(detected, at(seconds));
        self.emitted()
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
        (end.state, end.ended, end.ended_because.as_deref()),
        (State::Resolved, Some(at(2)), Some("it is quiet"))
    );
    assert_eq!((end.cause, end.evidence.len()), (None, 4));
    assert_eq!(scene.lower(3, None), [], "it has ended");
    let again = one(scene.raise(10, Raised { cause: Some("x".to_owned().into()), ..raised(3) }));
    assert_eq!((again.previous.as_ref(), again.first_seen), (Some(&first.id), at(10)));
    assert_eq!((again.subject, again.cause.as_deref()), (first.subject, Some("x")));
    assert_ne!(again.id, first.id);
    let end = one(scene.lower(11, Some("it is quiet")));
    assert_eq!((end.id, end.cause.as_deref()), (again.id, Some("x")), "the cause stays");
    assert_eq!(scene.tick(11 + 3601), []);
    assert!(scene.findings.is_empty());
}

#[test]
fn the_first_cause_lasts_as_long_as_the_finding() {
    let mut scene = Scene::new();
    let caused = |cause: &str| Raised { cause: Some(cause.to_owned().into()), ..raised(4) };
    let cause = |found: Vec<Finding>| one(found).cause;
    assert_eq!(cause(scene.raise(0, raised(3))), None);
    scene.raise(1, caused("a lease stuck"));
    assert_eq!(cause(scene.tick(2)).as_deref(), Some("a lease stuck"), "it is known now");
    scene.raise(3, raised(5));
    assert_eq!(cause(scene.tick(4)).as_deref(), Some("a lease stuck"), "the detector knows it no more");
    scene.raise(5, caused("a host left"));
    assert_eq!(cause(scene.tick(6)).as_deref(), Some("a lease stuck"), "another one does not replace it");
    assert_eq!(cause(scene.lower(7, Some("it is quiet"))).as_deref(), Some("a lease stuck"));
    assert_eq!(cause(scene.raise(8, raised(3))), None, "it came back for a reason of its own");
}

#[test]
fn its_detector_alone_ends_it_and_news_is_emitted_at_once() {
    let mut scene = Scene::new();
    scene.raise(0, raised(3));
    let worse = one(scene.raise(0, Raised { severity: Severity::Critical, ..raised(3) }));
    assert_eq!(worse.severity, Severity::Critical);
    assert_eq!(scene.tick(86_400), [], "it may be silent for days");
    assert_eq!(one(scene.lower(86_400, None)).state, State::Resolved);
}

#[test]
fn subjects_and_kinds_are_apart_and_ids_are_stable() {
    let mut scene = Scene::new();
    let id =
        |subject, kind, scene: &mut Scene| one(scene.raise(0, Raised { subject, kind, ..raised(1) })).subject;
    let ids = [
        id(vip(), KIND, &mut scene),
        id(vip(), FindingKind::VipConflict, &mut scene),
        id(Subject::Vip([10, 0, 20, 201].into()), KIND, &mut scene),
        id(Subject::Workload("data/db".into()), KIND, &mut scene),
        id(Subject::Service("data/db".into()), KIND, &mut scene),
    ];
    assert_eq!(scene.findings.len(), ids.iter().collect::<BTreeSet<_>>().len());
    assert_eq!(id(vip(), KIND, &mut Scene::new()), ids[0]);
    let known = FindingKey { kind: FindingKind::VipFlap, subject: vip() };
    assert_eq!(known.id(), ids[0]);
}

#[test]
fn many_subjects_and_much_evidence_are_bounded() {
    let mut scene = Scene::with(FindingsConfig { max: 3, ..FindingsConfig::default() });
    for n in 0..10_u8 {
        let subject = Subject::Vip([10, 0, 21, n].into());
        scene.raise(n.into(), Raised { subject, ..raised(1000) });
    }
    assert_eq!(scene.findings.len(), 3);
    assert_eq!(scene.findings.take_crowded_out(), 7);
    let emitted =
        one(scene.raise(20, raised(1000)).into_iter().filter(|f| f.state == State::Active).collect());
    assert_eq!(emitted.evidence.len(), 10);
}

#[test]
fn what_found_no_room_stays_out_until_there_is_some() {
    let mut scene = Scene::with(FindingsConfig { max: 2, ..FindingsConfig::default() });
    let subject = |n| Subject::Vip([10, 0, 21, n].into());
    for n in 0..3 {
        scene.raise(n.into(), Raised { subject: subject(n), ..raised(3) });
    }
    for second in 3..10 {
        let emitted = scene.report(second, None);
        assert_eq!(emitted, [], "raised findings don't push each other out at every report");
    }
    assert_eq!(scene.findings.take_crowded_out(), 1);
    let key = |n| FindingKey { kind: KIND, subject: subject(n) };
    scene.raised.remove(&key(2));
    let emitted = scene.report(10, None);
    let states: Vec<_> = emitted.into_iter().map(|finding| (finding.subject, finding.state)).collect();
    assert_eq!(states, [(key(2).id(), State::Resolved), (key(0).id(), State::Active)]);
}

#[test]
fn what_found_no_room_takes_that_of_what_matters_less() {
    let mut scene = Scene::with(FindingsConfig { max: 2, ..FindingsConfig::default() });
    let subject = |n| Subject::Vip([10, 0, 21, n].into());
    for n in 0..2 {
        one(scene.raise(n.into(), Raised { subject: subject(n), ..raised(3) }));
    }
    let src = Endpoint::bare([203, 0, 113, 9].into(), 1);
    let scan = Attempt { src, ..attempt(Outcome::Refused, Some("rst"), Decision::Allow) };
    let states = |emitted: Vec<Finding>| -> Vec<_> {
        emitted.into_iter().map(|finding| (finding.kind, finding.severity, finding.state)).collect()
    };
    let warning = |state| (KIND, Severity::Warning, state);
    let info = |state| (FindingKind::ServiceRefused, Severity::Info, state);
    assert_eq!(states(scene.attempt(2, &scan)), [warning(State::Resolved), info(State::Active)]);
    assert_eq!(states(scene.report(3, None)), [info(State::Resolved), warning(State::Active)]);
    assert_eq!(scene.report(4, None), []);
}

#[test]
fn a_detector_ends_its_own_findings_only() {
    let mut scene = Scene::new();
    one(scene.raise(0, raised(3)));
    one(scene.attempt(0, &rejected(Decision::Deny)));
    scene.findings.report(Detected::nothing(FindingSource::Resets), at(1));
    assert_eq!(scene.updates(), []);
    scene.findings.report(Detected::nothing(FindingSource::Vips), at(1));
    let end = one(scene.emitted());
    assert_eq!((end.kind, end.state, end.cause), (KIND, State::Resolved, None));
    assert_eq!(end.ended_because.as_deref(), Some("it is no longer found"));
}

#[test]
fn each_update_says_what_changed() {
    let mut scene = Scene::new();
    let changes = |scene: &mut Scene, detected: Option<Raised>, seconds| {
        let raised = detected.map(|raised| Raised { last_seen: at(seconds), ..raised });
        let detected =
            Detected { raised: raised.into_iter().collect(), ..Detected::nothing(FindingSource::Vips) };
        scene.findings.report(detected, at(seconds));
        scene.findings.tick(at(seconds));
        scene.updates().into_iter().map(|update| update.change).collect::<Vec<_>>()
    };
    assert_eq!(changes(&mut scene, None, 0), [], "what was never active does not end");
    assert_eq!(changes(&mut scene, Some(raised(3)), 1), [FindingChange::Appeared]);
    assert_eq!(changes(&mut scene, Some(raised(4)), 3), [FindingChange::Updated]);
    assert_eq!(changes(&mut scene, Some(raised(4)), 5), [FindingChange::Confirmed]);
    let worse = Raised { severity: Severity::Critical, ..raised(4) };
    assert_eq!(changes(&mut scene, Some(worse), 5), [FindingChange::Updated]);
    assert_eq!(changes(&mut scene, None, 6), [FindingChange::Resolved]);
    assert_eq!(changes(&mut scene, None, 7), []);
    assert_eq!(changes(&mut scene, Some(raised(3)), 8), [FindingChange::Appeared]);
}
