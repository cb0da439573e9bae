//! A sample of everything that an agent can report, with each of its fields at least once.

use std::sync::Arc;

use flow_model::decision::Decision;
use flow_model::finding::{Evidence, Finding, FindingKind, Severity, Share};
use flow_model::flow::{Counts, Outcome, Phase, ResetCause, RstOrigin, SentBy, Side, Vantage};
use flow_model::input::{Announced, CheckStep};
use flow_model::inventory::{
    Announcer, Backend, ContainerPort, HostPort, Inventory, Pod, Probe, ProbeKind, Service, ServicePort,
};
use flow_model::mac::Mac;
use flow_model::network::{LocalDns, Route};
use flow_model::output::{OpenFlow, Output};
use flow_model::policies::{Action, BrokenPolicy, Direction, Origin, Tier, TierKind, TierPolicy, TierRule};
use flow_model::record::{
    Announcement, Attempt, ChangeVerb, Check, Drop, Endpoint, EnforcementLag, EnforcerStatement, Event,
    FlowRecord, FlowVerdict, Kind, LagSince, LossCause, Lost, Memory, PolicyChange, Reset,
};
use flow_model::testing::{Cluster, admin, baseline, broken, broken_tier, labels, pod, policy};
use flow_model::vip::{ApiClaim, Claim, ClaimSource, Vip};
use jiff::Timestamp;
use strum::VariantArray;

use crate::http::tests::client::Agent;
use crate::sink::testing::{at, attempt, finding, pair, resolved, service, vip};

const MAC: Mac = Mac([2, 0, 0, 0, 0, 4]);
const API: [ClaimSource; 4] =
    [ClaimSource::L2Status, ClaimSource::Lease, ClaimSource::Event, ClaimSource::Ingress];

/// An agent that knows all of it.
pub(super) async fn agent() -> Agent {
    let mut agent = Agent::start().await;
    agent.emit(Output::Cluster(cluster()));
    for kind in Kind::VARIANTS {
        for event in events(*kind) {
            agent.emit(Output::Record(FlowRecord { time: at(1), node: "node1".into(), event }));
        }
    }
    let bare = Endpoint::bare([1, 1, 1, 1].into(), 443);
    agent.emit(Output::Record(attempt(2, bare.clone(), bare.clone(), Outcome::Unanswered)));
    agent.emit(Output::OpenFlows(vec![OpenFlow { src: client(), dst: server(), since: at(1), open: 3 }]));
    let counts = Counts { syn: 5, syn_retransmits: 2, rst: [[1, 2, 3], [4, 5, 6]], outcomes: [7, 8, 9, 10] };
    agent.emit(Output::Pair(pair(client(), server(), counts)));
    agent.emit(Output::Pair(pair(bare.clone(), service("data", "db"), counts)));
    findings().into_iter().for_each(|finding| agent.emit(Output::Finding(finding.into())));
    agent.emit(Output::Vip(known_vip()));
    agent.emit(Output::Vip(Vip { ip: "fd00::1".parse().unwrap(), ..vip(&[]) }));
    agent
}

/// A side of which all is known, more than ever is at once.
fn client() -> Endpoint {
    Endpoint {
        ip: "fd00::5".parse().unwrap(),
        port: 40_122,
        service: Some("web/front".into()),
        namespace: Some("web".into()),
        pod: Some("agent".into()),
        workload: Some("agent".into()),
        workload_kind: Some("Deployment".into()),
        node: Some("node1".into()),
        backend_ip: Some([10, 42, 0, 5].into()),
        backend_port: Some(8080),
    }
}

fn server() -> Endpoint {
    Endpoint {
        service: Some("data/db".into()),
        namespace: Some("data".into()),
        pod: Some("db".into()),
        workload: Some("db".into()),
        workload_kind: Some("Pod".into()),
        backend_ip: Some([10, 42, 0, 9].into()),
        backend_port: Some(5432),
        ..Endpoint::bare([10, 43, 0, 9].into(), 15_432)
    }
}

/// Returns each event in its shortest and its longest form, with every value of its enumerations.
fn events(kind: Kind) -> Vec<Event> {
    let (src, dst) = (client(), server());
    match kind {
        Kind::Attempt => attempts(),
        Kind::Reset => {
            let reset = |vantage, by, phase, vip: Option<&str>, cause| {
                let sent_by = Some(if vip.is_some() { SentBy::KernelTcp } else { SentBy::NotKernelTcp });
                let origin = RstOrigin { sent_by, reason: vip.map(|_| "tcp_abort_on_close".into()) };
                let (vip, src, dst) = (vip.map(Into::into), src.clone(), dst.clone());
                Event::Reset(Reset { vantage, by, phase, vip, origin, cause, src, dst })
            };
            vec![
                reset(
                    Vantage::Source,
                    Side::Client,
                    Phase::Handshake,
                    None,
                    Some(ResetCause::ConntrackInvalid),
                ),
                reset(
                    Vantage::Destination,
                    Side::Server,
                    Phase::Established,
                    Some("10.0.20.200"),
                    Some(ResetCause::NotTranslated),
                ),
                reset(Vantage::Source, Side::Client, Phase::Orphan, None, Some(ResetCause::ConntrackGone)),
                reset(Vantage::Transit, Side::Server, Phase::Orphan, None, None),
            ]
        }
        Kind::Drop => {
            let drop = |protocol: &str, flags: Option<&str>| {
                let (vantage, reason, src, dst) =
                    (Vantage::Transit, "NETFILTER_DROP".into(), src.clone(), dst.clone());
                let tcp_flags = flags.map(Into::into);
                Event::Drop(Drop {
                    vantage,
                    reason,
                    protocol: protocol.into(),
                    tcp_flags,
                    enforcer: Some(EnforcerStatement::Logged),
                    enforcer_policy: Some("postgres/lockdown".into()),
                    src,
                    dst,
                    verdict: verdict(Decision::Deny, Some(Direction::Ingress), &["data/db"]),
                })
            };
            vec![drop("TCP", Some("SYN")), drop("132", None)]
        }
        Kind::Announcement => announcements(),
        Kind::PolicyChange => policy_changes(),
        Kind::Check => {
            let check = |step: Option<CheckStep>| Check {
                name: "db".into(),
                ok: step.is_none(),
                step,
                error: step.map(|_| "timed out".into()),
                duration_us: 5,
                src: src.clone(),
                dst: dst.clone(),
            };
            CheckStep::VARIANTS
                .iter()
                .copied()
                .map(Some)
                .chain([None])
                .map(|step| Event::Check(check(step)))
                .collect()
        }
        Kind::Lost => vec![Event::Lost(Lost { lost: 3, stage: "ring".into() })],
        Kind::Memory => {
            vec![Event::Memory(Memory { started: at(0), begins: [(Kind::Attempt, at(1))].into() })]
        }
    }
}

fn verdict(decision: Decision, direction: Option<Direction>, policies: &[&str]) -> Option<Arc<FlowVerdict>> {
    let policies = policies.iter().map(|policy| (*policy).into()).collect();
    Some(Arc::new(FlowVerdict { decision, direction, policies, explanation: "because".into() }))
}

fn attempts() -> Vec<Event> {
    let whole = Attempt {
        vantage: Vantage::Source,
        outcome: Outcome::Rejected,
        signal: Some("icmp-port-unreachable".into()),
        icmp_type: Some(3),
        icmp_code: Some(3),
        drop_reason: Some("NETFILTER_DROP".into()),
        cause: Some(LossCause::AcceptQueueFull),
        accept_backlog: Some(128),
        enforcer: Some(EnforcerStatement::Logged),
        enforcer_policy: Some("data/db".into()),
        enforcement_lag: Some(EnforcementLag { since: LagSince::Policy, age_us: 3_200_000 }),
        origin: RstOrigin::default(),
        src: client(),
        dst: server(),
        count: 2,
        latency_us: Some(310),
        syn_retransmits: 2,
        isn: 0,
        verdict: verdict(Decision::Deny, Some(Direction::Ingress), &["data/db"]),
    };
    let established = Attempt {
        outcome: Outcome::Established,
        enforcement_lag: Some(EnforcementLag { since: LagSince::Pod, age_us: 0 }),
        cause: Some(LossCause::ConntrackFull),
        verdict: verdict(Decision::Allow, None, &["data/db"]),
        ..whole.clone()
    };
    let refused = Attempt {
        outcome: Outcome::Refused,
        verdict: verdict(Decision::Deny, Some(Direction::Egress), &[]),
        origin: RstOrigin { sent_by: Some(SentBy::KernelTcp), reason: Some("no_socket".into()) },
        ..whole.clone()
    };
    let unknown = Attempt { verdict: verdict(Decision::Unknown, None, &[]), ..whole.clone() };
    [whole, established, refused, unknown].map(Event::Attempt).into()
}

fn announcements() -> Vec<Event> {
    let bare = |how| Announcement {
        ip: [10, 0, 20, 200].into(),
        mac: MAC,
        claimant: None,
        previous: None,
        r#move: false,
        how,
        services: vec![],
    };
    let whole = Announcement {
        claimant: Some("node2".into()),
        previous: Some("node1".into()),
        r#move: true,
        services: vec!["data/db".into()],
        ..bare(Announced::GratuitousReply)
    };
    let others = [Announced::GratuitousRequest, Announced::Arp, Announced::Advertisement].map(bare);
    others.into_iter().chain([whole]).map(Event::Announcement).collect()
}

fn policy_changes() -> Vec<Event> {
    let change = |object: &str, namespace: Option<&str>, change| PolicyChange {
        object: object.into(),
        namespace: namespace.map(Into::into),
        name: "db".into(),
        change,
        manager: namespace.map(|_| "OpenTofu".into()),
        summary: format!("{object} db was {change}"),
    };
    [
        change("NetworkPolicy", Some("data"), ChangeVerb::Changed),
        change("AdminNetworkPolicy", None, ChangeVerb::Created),
        change("AdminNetworkPolicy", None, ChangeVerb::Deleted),
    ]
    .map(Event::PolicyChange)
    .into()
}

fn findings() -> Vec<Finding> {
    let now = Timestamp::now();
    let each = FindingKind::VARIANTS.iter().copied().enumerate().map(|(n, kind)| Finding {
        kind,
        severity: [Severity::Info, Severity::Warning, Severity::Critical][n % 3],
        src: None,
        dst: None,
        policies: vec![],
        ..finding(kind.as_str(), 0)
    });
    let whole = Finding {
        vip: Some("10.0.20.200".into()),
        previous: Some("earlier".into()),
        of_src: Some(Share { count: 1, first_seen: now }),
        cause: Some("NetworkPolicy data/db was changed".into()),
        cause_at: Some(now),
        evidence: vec![Evidence { time: now, text: "a refused b".into() }],
        ended: Some(now),
        ..resolved(finding("whole", 0), 0)
    };
    each.chain([whole]).collect()
}

fn known_vip() -> Vip {
    let claim = |node: Option<&str>, received| Claim {
        mac: MAC,
        node: node.map(Into::into),
        since: at(0),
        last_seen: at(9),
        received,
    };
    let api = |source: ClaimSource| ApiClaim {
        source,
        object: "metallb-system/l2-rgt9d".into(),
        node: Some("node1".into()),
        since: (source != ClaimSource::Ingress).then(|| at(3)),
    };
    Vip {
        claimant: Some(claim(Some("node1"), true)),
        history: vec![claim(None, false)],
        moves: 1,
        api: API.map(api).into(),
        ..vip(&["data/db"])
    }
}

/// Returns a cluster whose odd objects don't concern `web/front` and `data/db`: these can be judged.
fn cluster() -> Arc<Inventory> {
    let origin = Origin {
        uid: "7d9".into(),
        created: Some(at(0)),
        changed: Some(at(1)),
        manager: Some("argocd".into()),
        managers: vec!["argocd".into(), "helm".into()],
        audit_ignore: Some("known".into()),
    };
    let agent = Pod {
        start: Some(at(0)),
        host_network: true,
        attached_ips: vec![[172, 16, 0, 4].into()],
        ..pod("web", "agent", &[("app", "agent")], "192.168.0.1").on("node1").port("http", "TCP", 8080)
    };
    let host = HostPort { port: 15_432, ip: Some([192, 168, 0, 1].into()) };
    let unnamed =
        ContainerPort { name: None, protocol: "TCP".into(), port: 5432, host: Some(host), sidecar: true };
    let host_ips = vec![[192, 168, 0, 1].into()];
    let kinds = [ProbeKind::Liveness, ProbeKind::Readiness, ProbeKind::Startup];
    let probes = kinds.map(|kind| Probe { kind, port: 5432 }).to_vec();
    let db =
        Pod { ports: vec![unnamed], probes, host_ips, ..pod("data", "db", &[("app", "db")], "10.42.0.9") };
    let mut named = policy("odd", "named")
        .on("a=b|c,d!=e,f,!g")
        .ingress(&["ns(team=a) pods(app=web) 10.0.0.0/8!10.1.0.0/16 : 80 udp/53 8000-8080 http sctp/*", ""]);
    named.origin = origin.clone();
    let tiered = admin("first", 5)
        .on("ns(team=odd)&pods(app=web)")
        .ingress(Action::Accept, "ns(team=a) : 80-90 udp/53 sctp/* http")
        .egress(Action::Deny, "nodes(zone=a) 10.0.0.0/8 ?field")
        .egress(Action::Pass, "dns(example.org)");
    let whole_rule = TierRule { name: Some("first".into()), ..tiered.ingress[0].clone() };
    let tiered = TierPolicy { ingress: vec![whole_rule, tiered.ingress[0].clone()], origin, ..tiered };
    let elsewhere = Some(tiered.subject.clone());
    let mut cluster = Cluster::new("web data odd:team=odd")
        .pod(agent)
        .pod(pod("web", "front", &[("app", "front")], "10.42.0.5"))
        .pod(pod("web", "batch", &[("app", "batch")], "10.42.0.6"))
        .pod(db)
        .node("node1", "zone=a", "192.168.0.1")
        .policy(policy("data", "db").on("app=db").ingress(&["ns()&pods(app=front) : 5432"]))
        .policy(policy("web", "batch").on("app=batch").egress(&[]))
        .policy(named)
        .tier(tiered)
        .tier(baseline().on("ns(team=odd)"))
        .tier(TierPolicy { kind: TierKind::ClusterNetworkPolicy, ..admin("newer", 6) })
        .broken(broken("odd", "torn", "spec.ingress"))
        .broken(BrokenPolicy { selector: elsewhere.clone(), ..broken_tier(Tier::Admin, "torn", "spec") })
        .broken(BrokenPolicy { selector: elsewhere, ..broken_tier(Tier::Baseline, "torn", "spec") })
        .inventory;
    let node = &mut cluster.nodes[0];
    let node = Arc::make_mut(node);
    node.pod_cidrs = vec!["10.42.0.0/24".into()];
    node.flannel_ips = vec![[192, 168, 0, 1].into()];
    (node.route, node.kubelet) = (Route::Tunnel, Some("v1.34.1+k3s1".into()));
    cluster.local_dns = Some(LocalDns { ips: vec![[169, 254, 20, 10].into()] });
    cluster.templates = vec![pod("web", "front", &[("app", "front")], "10.42.0.5").into()];
    cluster.services = services();
    cluster.announcers = API.map(announcer).into();
    cluster.objects.insert("Secret".into(), 7);
    cluster.into()
}

fn services() -> Vec<Arc<Service>> {
    let port = |name: Option<&str>, port| ServicePort {
        name: name.map(Into::into),
        protocol: "TCP".into(),
        port,
        node_port: name.map(|_| 30_000),
        target_port: name.map(|_| "sql".into()),
    };
    let backend = |name: Option<&str>, pod: Option<&str>, last| Backend {
        ip: [10, 42, 0, last].into(),
        port: 5432,
        protocol: "TCP".into(),
        port_name: name.map(Into::into),
        ready: true,
        pod: pod.map(Into::into),
        node: Some("node1".into()),
    };
    let db = Service {
        namespace: "data".into(),
        name: "pg".into(),
        labels: labels("app=db"),
        selector: labels("app=db"),
        cluster_ips: vec![[10, 43, 0, 9].into()],
        external_ips: vec![[10, 0, 20, 200].into()],
        vips: vec![[10, 0, 20, 200].into()],
        ports: vec![port(Some("sql"), 15_432)],
        external_local: true,
        backends: vec![backend(Some("sql"), Some("db"), 9), backend(Some("sql"), None, 10)],
        ..Service::default()
    };
    let headless = Service {
        name: "bare".into(),
        ports: vec![port(None, 5432)],
        backends: vec![backend(None, Some("db"), 9)],
        headless: true,
        internal_local: true,
        external_name: Some("db.example.org".into()),
        source_ranges: vec!["203.0.113.0/24".parse().unwrap()],
        proxied_ips: vec![[10, 0, 20, 201].into()],
        ..db.clone()
    };
    vec![db.into(), headless.into()]
}

fn announcer(source: ClaimSource) -> Arc<Announcer> {
    let known = source == ClaimSource::Lease;
    Arc::new(Announcer {
        source,
        kind: "Lease".into(),
        namespace: "kube-system".into(),
        name: "plndr-svcs-lock".into(),
        service: known.then(|| "data/pg".into()),
        nodes: vec!["node1".into()],
        since: known.then(|| at(1)),
        transitions: known.then_some(4),
    })
}

impl Agent {
    /// Returns the answers when the agent is ready, pending and stale in every way.
    pub(super) async fn readiness(&self) -> [crate::http::tests::openapi::Answer; 4] {
        let ready = self.get("/readyz", &[]).await;
        let readiness = &self.shared.readiness;
        let guard = readiness.guard("cluster");
        let pending = self.get("/readyz", &[]).await;
        readiness.set_stale("Pod", Some("no answer for 30 s".into()));
        let both = self.get("/readyz", &[]).await;
        drop(guard);
        let stale = self.get("/readyz", &[]).await;
        [ready, pending, both, stale]
    }
}
