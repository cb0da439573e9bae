//! Stories of resets, played tick by tick.

mod causes;
mod endpoints;
mod habits;
mod model;

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::finding::{Finding, Severity, State};
use flow_model::flow::{ResetCause, RstOrigin, Side, Vantage};
use flow_model::object_ref::ObjectRef;
use flow_model::record::Endpoint;

use super::*;
use crate::findings::{Findings, FindingsConfig};

const VIP: &str = "10.0.20.200";

/// Seconds on the test's clock.
fn t(seconds: f64) -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap() + SignedDuration::from_secs_f64(seconds)
}

/// Causes that a test makes up.
#[derive(Clone, Debug, Default)]
struct Made {
    moves: Vec<VipMove>,
    policies: Vec<Change>,
    endpoints: Vec<Change>,
    /// Services behind which every workload is.
    backed: Vec<ObjectRef>,
}

impl Causes for Made {
    fn vip_moves(&self, vip: Option<IpAddr>, since: Timestamp) -> Vec<VipMove> {
        let wanted = |m: &&VipMove| m.at >= since && vip.is_none_or(|vip| vip == m.vip);
        self.moves.iter().filter(wanted).cloned().collect()
    }

    fn policy_changes(&self, namespaces: &[ArcStr], since: Timestamp) -> Vec<Change> {
        let wanted = |c: &&Change| c.at >= since && namespaces.iter().any(|n| c.what.contains(n.as_str()));
        self.policies.iter().filter(wanted).cloned().collect()
    }

    fn endpoint_changes(&self, _: &Server, _: &[ObjectRef], since: Timestamp) -> Vec<Change> {
        self.endpoints.iter().filter(|c| c.at >= since).cloned().collect()
    }

    fn has_backend(&self, service: &ObjectRef, _: &ObjectRef) -> bool {
        self.backed.contains(service)
    }
}

fn moved(at: f64) -> VipMove {
    VipMove {
        at: t(at),
        vip: VIP.parse().unwrap(),
        services: vec!["dbaas/postgresql-lb".into()],
        from: Some("k8s-node3".into()),
        to: Some("k8s-node4".into()),
    }
}

fn change(at: f64, what: &str) -> Change {
    Change { at: t(at), what: what.into() }
}

fn pod(name: &str, ip: [u8; 4], port: u16) -> Endpoint {
    let (namespace, pod) = name.split_once('/').unwrap();
    let workload = pod.rsplit_once('-').map_or(pod, |(workload, _)| workload);
    Endpoint {
        namespace: Some(namespace.into()),
        pod: Some(pod.into()),
        workload: Some(workload.into()),
        workload_kind: Some("Deployment".into()),
        ..Endpoint::bare(ip.into(), port)
    }
}

/// A client from outside, one of many.
fn outside(n: u8) -> Endpoint {
    Endpoint::bare([10, 0, 30, n].into(), 40_000 + u16::from(n))
}

fn web() -> Endpoint {
    pod("web/front-0", [10, 42, 0, 10], 40_122)
}

fn cache() -> Endpoint {
    pod("data/cache-0", [10, 42, 2, 6], 6379)
}

/// The database of the incident, addressed through its VIP.
fn database() -> Endpoint {
    Endpoint {
        service: Some("dbaas/postgresql-lb".into()),
        namespace: Some("dbaas".into()),
        workload: Some("pg-cluster".into()),
        ..Endpoint::bare(VIP.parse().unwrap(), 5432)
    }
}

/// A flow that may be reset.
#[derive(Clone, Debug)]
struct Flow {
    src: Endpoint,
    dst: Endpoint,
    phase: Phase,
    cause: Option<ResetCause>,
}

fn flow(src: Endpoint, dst: Endpoint, phase: Phase) -> Flow {
    Flow { src, dst, phase, cause: None }
}

impl Bursts {
    /// How many servers, and pairs of server and client, are watched.
    fn len(&self) -> (usize, usize) {
        (self.servers.len(), self.pairs.len())
    }
}

/// Bursts, the findings they make, and a clock.
struct Story {
    bursts: Bursts,
    findings: Findings,
    causes: Made,
    now: f64,
    emitted: Vec<Finding>,
    counted: Vec<String>,
}

impl Story {
    /// An agent that has run for an hour, or one that has just started.
    fn new(config: BurstConfig, experienced: bool) -> Self {
        let findings = Findings::new("node1".into(), FindingsConfig::default());
        let (causes, emitted, counted) = (Made::default(), Vec::new(), Vec::new());
        let mut story = Self { bursts: Bursts::new(config), findings, causes, now: 0.0, emitted, counted };
        if experienced {
            (-3_600..0).step_by(20).for_each(|second| story.tick(f64::from(second)));
        }
        story.tick(0.0);
        story
    }

    fn experienced() -> Self {
        Self::new(BurstConfig::default(), true)
    }

    fn started() -> Self {
        Self::new(BurstConfig::default(), false)
    }

    fn tick(&mut self, now: f64) {
        self.now = now;
        let detected = self.bursts.tick(&self.causes, t(now));
        self.findings.report(detected, t(now));
        self.findings.tick(t(now));
        self.emitted.extend(std::iter::from_fn(|| self.findings.next_output()).map(|update| update.finding));
        while let Some(output) = self.bursts.next_output() {
            let Output::RstBurst { dst, cause } = output else { panic!("{output:?}") };
            let name = |name: &Option<ArcStr>| name.clone().unwrap_or_default();
            self.counted.push(format!("{}/{} {cause}", name(&dst.namespace), name(&dst.workload)));
        }
    }

    fn until(&mut self, end: f64) {
        while self.now + 0.5 <= end {
            self.tick(self.now + 0.5);
        }
    }

    fn reset(&mut self, at: f64, flow: &Flow) {
        self.until(at);
        self.reset_at(at, flow);
    }

    /// A reset without the ticks before it.
    fn reset_at(&mut self, at: f64, flow: &Flow) {
        let Flow { src, dst, phase, cause } = flow.clone();
        let vip = (dst.ip == VIP.parse::<IpAddr>().unwrap()).then_some(dst.ip);
        let (vantage, by) = (Vantage::Transit, Side::Server);
        let reset = Reset { vantage, by, phase, vip: None, origin: RstOrigin::default(), cause, src, dst };
        self.bursts.reset(&ResetFacts { time: t(at), reset: &reset, vip });
    }

    /// `count` resets, evenly from `from` on for `seconds`.
    fn resets(&mut self, from: f64, seconds: f64, count: u32, flow: &Flow) {
        for n in 0..count {
            self.reset(from + seconds * f64::from(n) / f64::from(count), flow);
        }
    }

    /// Returns the newest state of each finding.
    fn findings(&self) -> Vec<Finding> {
        let newest: BTreeMap<_, _> = self.emitted.iter().map(|f| (f.id.clone(), f.clone())).collect();
        newest.into_values().collect()
    }

    fn finding(&self) -> Finding {
        let findings = self.findings();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.into_iter().next().unwrap()
    }

    /// Returns how often a finding became active.
    fn raised(&self) -> usize {
        let mut active = BTreeMap::new();
        let begins = |finding: &&Finding| {
            let is = finding.state == State::Active;
            let was = active.insert(finding.id.clone(), is).unwrap_or_default();
            is && !was
        };
        self.emitted.iter().filter(begins).count()
    }

    fn quiet(&self) {
        assert_eq!(self.emitted, [], "{:#?}", self.emitted);
        assert_eq!(self.counted, [""; 0]);
    }
}

#[test]
fn a_finding_is_written_once_a_second() {
    let mut story = Story::experienced();
    let flow = flow(web(), cache(), Phase::Established);
    let mut written = Vec::new();
    for tick in 1..=80 {
        let now = 0.05 * f64::from(tick);
        story.reset_at(now, &flow);
        let detected = story.bursts.tick(&story.causes, t(now));
        written.extend(detected.raised.into_iter().map(|raised| raised.count));
    }
    assert!(written.len() > 70, "it is raised at each tick: {written:?}");
    written.dedup();
    assert!((4..=5).contains(&written.len()), "{written:?}");

    story.causes.endpoints.push(change(0.2, "the pod data/cache-0 went"));
    let raised = story.bursts.tick(&story.causes, t(4.05)).raised;
    let [raised] = &raised[..] else { panic!("{raised:#?}") };
    assert!(raised.summary.contains("data/cache-0 went"), "a cause is written at once: {raised:#?}");
    assert_eq!(raised.cause, None, "a nearer one may become known");
    let raised = story.bursts.tick(&story.causes, t(9.0)).raised;
    let causes: Vec<_> = raised.into_iter().filter_map(|raised| raised.cause).collect();
    assert!(causes[0].text.contains("data/cache-0 went"), "{causes:?}");
}
