//! For any order of changes, attempts and open connections, an episode says only what was true of itself.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A change makes the policies refuse `web/storefront`, or refuse it once more.
    Break,
    /// The policies allow it again.
    Mend,
    /// An attempt, made this many milliseconds ago.
    Attempt {
        ago: u16,
        established: bool,
    },
    /// The open connections are judged. The cause of a refusal is not always known.
    Judge {
        open: bool,
        cause_known: bool,
    },
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<(u16, Step)>> {
    let attempt = (prop_oneof![3 => Just(0_u16), 1 => 0..3_000_u16], prop::bool::weighted(0.2))
        .prop_map(|(ago, established)| Step::Attempt { ago, established });
    let judge =
        (any::<bool>(), any::<bool>()).prop_map(|(open, cause_known)| Step::Judge { open, cause_known });
    let step = prop_oneof![
        2 => Just(Step::Break), 2 => Just(Step::Mend), 8 => attempt, 3 => judge, 3 => Just(Step::Tick)
    ];
    let millis = prop_oneof![2 => Just(0_u16), 6 => 0..3_000_u16, 1 => 0..60_000_u16];
    prop::collection::vec((millis, step), 0..150)
}

/// A change that made the policies refuse.
#[derive(Clone, Debug)]
struct Broken {
    at: Timestamp,
    mended: Option<Timestamp>,
}

/// A node, what really happens, and what was emitted.
struct World {
    findings: Findings,
    now: Timestamp,
    /// Its causes are named by their place here.
    changes: Vec<Broken>,
    last_change: Option<Timestamp>,
    /// When each attempt that failed was made. Its source port is its place here.
    failures: Vec<Timestamp>,
    episodes: BTreeMap<ArcStr, Finding>,
}

impl World {
    fn new() -> Self {
        Self {
            findings: Findings::new("node1".into(), FindingsConfig::default()),
            now: at(0),
            changes: Vec::new(),
            last_change: None,
            failures: Vec::new(),
            episodes: BTreeMap::new(),
        }
    }

    /// Returns the change because of which the policies refuse now.
    fn cause(&self) -> Option<Cause> {
        let newest = self.changes.len().checked_sub(1)?;
        let broken = &self.changes[newest];
        broken.mended.is_none().then(|| Cause { text: format!("change {newest}"), at: Some(broken.at) })
    }

    fn step(&mut self, millis: u16, step: Step) {
        self.now += SignedDuration::from_millis(millis.into());
        let now = self.now;
        match step {
            Step::Break => {
                self.last_change = Some(now);
                // One change has brought it about; the policies refuse already when the next comes.
                if self.cause().is_none() {
                    self.changes.push(Broken { at: now, mended: None });
                }
                self.policies(Decision::Deny);
            }
            Step::Mend => {
                self.last_change = Some(now);
                if let Some(broken) = self.changes.last_mut() {
                    broken.mended.get_or_insert(now);
                }
                self.policies(Decision::Allow);
            }
            Step::Attempt { ago, established } => self.attempt(ago, established),
            Step::Judge { open, cause_known } => {
                let cause = self.cause();
                let refused = open && cause.is_some();
                let groups = refused.then(|| refusable(storefront(1), now, cause.filter(|_| cause_known)));
                self.findings.latent(groups.as_slice(), now);
            }
            Step::Tick => self.findings.tick(now),
        }
        self.drain();
    }

    fn policies(&mut self, decision: Decision) {
        self.findings.policies_changed(&mut |_, _| verdict(decision), self.now);
        // The open connections are judged by the new policies before anything else happens.
        if decision == Decision::Allow {
            self.findings.latent(&[], self.now);
        }
    }

    /// An attempt that was held back is judged by the policies of today.
    fn attempt(&mut self, ago: u16, established: bool) {
        let time = self.now - SignedDuration::from_millis(ago.into());
        let cause = self.cause();
        let decision = if cause.is_some() { Decision::Deny } else { Decision::Allow };
        let outcome = if established { Outcome::Established } else { Outcome::Refused };
        let src = storefront(u16::try_from(self.failures.len()).unwrap());
        let attempt = Attempt { src, ..attempt(outcome, Some("rst"), decision) };
        if !established || decision == Decision::Deny {
            self.failures.push(time);
        }
        let (cause, policy_change) = (cause.as_ref(), self.last_change);
        self.findings.attempt(&AttemptFacts { cause, policy_change, ..facts(time, &attempt) });
    }

    fn drain(&mut self) {
        while let Some(FindingUpdate { finding, .. }) = self.findings.next_output() {
            match self.episodes.get(&finding.id) {
                None => self.check_beginning(&finding),
                Some(before) => check_goes_on(before, &finding),
            }
            self.check(&finding);
            self.episodes.insert(finding.id.clone(), finding);
        }
    }

    fn check_beginning(&self, finding: &Finding) {
        assert_eq!(finding.state, State::Active);
        let of_subject = |other: &&Finding| other.subject == finding.subject;
        let before: Vec<_> = self.episodes.values().filter(of_subject).collect();
        assert!(before.iter().all(|other| other.state == State::Resolved), "one at a time: {before:#?}");
        let newest = before.into_iter().max_by_key(|other| (other.ended, other.first_seen));
        let previous = newest.map(|other| &other.id);
        // A subject is forgotten after an hour.
        assert!(finding.previous.is_none() || finding.previous.as_ref() == previous);
        if let Some(previous) = finding.previous.as_ref().and_then(|id| self.episodes.get(id)) {
            assert!(previous.ended <= Some(finding.first_seen), "{previous:#?} {finding:#?}");
        }
    }

    fn check(&self, finding: &Finding) {
        let Finding { first_seen, ended, cause, cause_at, .. } = finding;
        assert_eq!(finding.ended_because.is_some(), ended.is_some());
        assert_eq!(finding.state == State::Resolved, ended.is_some());
        assert!(ended.is_none_or(|ended| ended >= *first_seen));
        if let Some(cause) = cause {
            let n: usize = cause.strip_prefix("change ").unwrap().parse().unwrap();
            let Broken { at, mended } = &self.changes[n];
            assert_eq!(cause_at.as_ref(), Some(at));
            assert!(at <= first_seen, "later than the start: {finding:#?}");
            assert!(mended.is_none_or(|mended| mended >= *first_seen), "taken back: {finding:#?}");
        }
        if finding.kind != FindingKind::LatentDenial {
            self.check_attempts(finding);
        }
    }

    /// The count and the evidence are of this episode's attempts.
    fn check_attempts(&self, finding: &Finding) {
        let since = finding.previous.as_ref().and_then(|id| self.episodes.get(id)?.ended);
        let is_own = |time: &&Timestamp| since.is_none_or(|since| **time >= since);
        let happened = self.failures.iter().filter(is_own).count() as u64;
        assert!(finding.count <= happened, "{} of {happened}: {finding:#?}", finding.count);
        assert_eq!(finding.of_src.map(|share| share.count), Some(finding.count), "there is one pod");
        for text in texts(finding) {
            let port: usize = text["10.42.0.10:".len()..].split(' ').next().unwrap().parse().unwrap();
            assert!(is_own(&&self.failures[port]), "of another episode: {finding:#?}");
        }
    }
}

fn check_goes_on(before: &Finding, finding: &Finding) {
    assert_eq!(before.state, State::Active, "nothing changes after the end: {finding:#?}");
    let fixed = |f: &Finding| (f.subject.clone(), f.previous.clone(), f.kind, f.first_seen);
    assert_eq!(fixed(before), fixed(finding));
    if before.cause.is_some() {
        assert_eq!((&before.cause, before.cause_at), (&finding.cause, finding.cause_at));
    }
    if finding.kind != FindingKind::LatentDenial {
        assert!(before.count <= finding.count);
    }
}

proptest! {
    #[test]
    fn an_episode_says_only_what_was_true_of_itself(steps in steps()) {
        let mut world = World::new();
        for (millis, step) in steps {
            world.step(millis, step);
        }
    }

    #[test]
    fn nodes_that_see_the_same_within_a_minute_give_it_the_same_id(ago in 0..30_i64, start in 0..1_000_i64) {
        let start = start * 60 + 40;
        let ids = |delay: i64| -> Vec<ArcStr> {
            let mut scene = Scene::new();
            let mut ids = Vec::new();
            for minute in 0..3 {
                let second = start + minute * 120 + delay;
                ids.push(one(scene.attempt(second, &rejected(Decision::Deny))).id);
                scene.findings.policies_changed(&mut |_, _| verdict(Decision::Allow), at(second + 1));
                one(scene.emitted());
            }
            ids
        };
        prop_assert_eq!(ids(0), ids(ago));
    }
}
