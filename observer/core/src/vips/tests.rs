//! Tests what announcements and objects become. A script is a list of `seconds word...`, parted by `;`: `a!` gratuitous
//! request of host a, `a*` MetalLB's ten frames, `a?` an ordinary reply, `l2:x=a` object x names node a, `l2:x=` its
//! status is empty, `l2:x-` it is gone; `lease:x=a` and `event:x=a` likewise.

mod conflicts;
mod model;
mod received;
mod sources;
mod wire;

use flow_model::finding::{Finding, FindingKind, Severity, State};
use flow_model::input::Announced;
use flow_model::inventory::{Node, ServicePort};
use flow_model::record::{Announcement, Event};
use flow_model::vip::{ClaimSource, Vip};

use super::*;
use crate::findings::{Findings, FindingsConfig};

const VIP: &str = "10.0.20.200";
const SERVICE: &str = "dbaas/postgresql-lb";
const TICK: i64 = 500;

fn at(seconds: f64) -> Timestamp {
    millis((seconds * 1e3).round() as i64)
}

fn millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_000_000_000 + millis).unwrap()
}

fn mac(host: char) -> Mac {
    Mac([2, 0, 0, 0, 0, u8::try_from(host).unwrap()])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn node(host: char) -> Arc<Node> {
    Arc::new(Node {
        name: arcstr::format!("node-{host}"),
        labels: BTreeMap::new(),
        ips: vec![node_ip(host)],
        pod_cidrs: vec![],
        ..Node::default()
    })
}

fn node_ip(host: char) -> IpAddr {
    [10, 0, 20, u8::try_from(host).unwrap()].into()
}

fn service(name: &str, vips: &[&str]) -> Arc<Service> {
    let (namespace, name) = name.split_once('/').unwrap();
    Arc::new(Service {
        namespace: namespace.into(),
        name: name.into(),
        labels: BTreeMap::new(),
        selector: BTreeMap::new(),
        cluster_ips: vec![],
        external_ips: vec![],
        vips: vips.iter().map(|vip| ip(vip)).collect(),
        ports: vec![ServicePort {
            name: None,
            protocol: "TCP".into(),
            port: 5432,
            node_port: None,
            target_port: None,
        }],
        external_local: false,
        backends: vec![],
        ..Service::default()
    })
}

fn announcer(source: ClaimSource, name: &str, host: &str, since: Timestamp) -> Announcer {
    let kind = match source {
        ClaimSource::L2Status => "ServiceL2Status",
        ClaimSource::Lease => "Lease",
        ClaimSource::Event => "Event",
        ClaimSource::Ingress | ClaimSource::Wire => "Service",
    };
    Announcer {
        source,
        kind: kind.into(),
        namespace: "metallb-system".into(),
        name: name.into(),
        // kube-vip has one lease for all Services by default.
        service: (name != "plndr").then(|| SERVICE.into()),
        nodes: host.chars().map(|host| arcstr::format!("node-{host}")).collect(),
        since: Some(since),
        transitions: None,
    }
}

/// Nodes a, b and c, of which a is this one; host x is nobody's. One Service has the VIP.
struct Scene {
    vips: Vips,
    findings: Findings,
    inventory: Inventory,
    now: i64,
    emitted: Vec<(f64, Finding)>,
    outputs: Vec<Output>,
}

impl Scene {
    fn new() -> Self {
        Self::with(VipConfig::default())
    }

    fn with(config: VipConfig) -> Self {
        let inventory = Inventory {
            services: vec![service(SERVICE, &[VIP])],
            nodes: vec![node('a'), node('b'), node('c')],
            ..Inventory::default()
        };
        let mut scene = Self {
            vips: Vips::new("node-a".into(), config),
            findings: Findings::new("node-a".into(), FindingsConfig::default()),
            inventory,
            now: 0,
            emitted: Vec::new(),
            outputs: Vec::new(),
        };
        scene.vips.neighbours(&[(node_ip('b'), mac('b')), (node_ip('c'), mac('c'))], &[mac('a')]);
        scene.apply();
        scene
    }

    /// Plays a script; ticks come twice a second, also until half a second after its end.
    fn play(&mut self, script: &str) -> &mut Self {
        let mut steps = Vec::new();
        for line in script.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split_whitespace();
            let start = (words.next().unwrap().parse::<f64>().unwrap() * 1e3).round() as i64;
            words.for_each(|word| steps.extend(expand(start, word)));
            steps.push((start, String::new()));
        }
        steps.sort_by_key(|(time, _)| *time);
        for (time, word) in steps {
            self.pass(time);
            self.step(&word);
        }
        self.pass((self.now / TICK + 1) * TICK);
        self
    }

    fn pass(&mut self, until: i64) {
        while (self.now / TICK + 1) * TICK <= until {
            self.now = (self.now / TICK + 1) * TICK;
            self.tick();
        }
        self.now = until;
    }

    fn step(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        let (source, rest) = match word.split_once(':') {
            Some(("l2", rest)) => (ClaimSource::L2Status, rest),
            Some(("lease", rest)) => (ClaimSource::Lease, rest),
            Some(("event", rest)) => (ClaimSource::Event, rest),
            _ => return self.claim(VIP, word),
        };
        let (name, host) = rest.split_once('=').unwrap_or((rest.trim_end_matches('-'), "-"));
        let announcers = &mut self.inventory.announcers;
        announcers.retain(|known| known.name != name);
        if host != "-" {
            announcers.push(announcer(source, name, host, millis(self.now)).into());
        }
        self.apply();
    }

    fn claim(&mut self, vip: &str, word: &str) {
        let host = word.chars().next().unwrap();
        let how = match &word[1..] {
            "!" => Announced::GratuitousRequest,
            "=" => Announced::GratuitousReply,
            "?" => Announced::Arp,
            "6" => Announced::Advertisement,
            other => panic!("`{other}`"),
        };
        let seen =
            AnnouncementSeen { time: millis(self.now), ip: ip(vip), mac: mac(host), how, outbound: false };
        self.vips.announcement(&seen);
        self.drain();
    }

    fn apply(&mut self) {
        self.vips.apply(&self.inventory, millis(self.now));
        self.drain();
    }

    fn tick(&mut self) {
        let detected = self.vips.tick(millis(self.now));
        self.findings.report(detected, millis(self.now));
        self.findings.tick(millis(self.now));
        self.drain();
    }

    fn drain(&mut self) {
        self.outputs.extend(std::iter::from_fn(|| self.vips.next_output()));
        let now = self.now as f64 / 1e3;
        self.emitted
            .extend(std::iter::from_fn(|| self.findings.next_output()).map(|update| (now, update.finding)));
    }

    /// Findings that came and went: `10 vip_flap`, `310 vip_flap over`.
    fn changes(&self) -> Vec<String> {
        let mut active = BTreeSet::new();
        let mut out = Vec::new();
        for (time, finding) in &self.emitted {
            let kind = finding.kind.as_str();
            match finding.state {
                State::Active if active.insert(finding.id.clone()) => out.push(format!("{time} {kind}")),
                State::Resolved if active.remove(&finding.id) => out.push(format!("{time} {kind} over")),
                State::Active | State::Resolved => {}
            }
        }
        out
    }

    /// Returns the newest state of a finding.
    #[track_caller]
    fn last(&self, kind: FindingKind) -> &Finding {
        let of_kind = |(_, finding): &&(f64, Finding)| finding.kind == kind;
        &self.emitted.iter().rev().find(of_kind).unwrap_or_else(|| panic!("no {}", kind.as_str())).1
    }

    fn moves(&self, wanted: ClaimSource) -> usize {
        let moved = |output: &&Output| matches!(output, Output::VipMoved { source, .. } if *source == wanted);
        self.outputs.iter().filter(moved).count()
    }

    fn announcements(&self) -> Vec<&Announcement> {
        let records = self.outputs.iter().filter_map(|output| match output {
            Output::Record(record) => Some(&record.event),
            _ => None,
        });
        let announcements = records.filter_map(|event| match event {
            Event::Announcement(announcement) => Some(announcement),
            _ => None,
        });
        announcements.collect()
    }

    /// Returns the newest snapshot of an address.
    fn snapshot(&self, of: &str) -> Vip {
        let snapshot = |output: &Output| match output {
            Output::Vip(vip) if vip.ip == ip(of) => Some(vip.clone()),
            _ => None,
        };
        self.outputs.iter().rev().find_map(snapshot).unwrap()
    }
}

fn expand(start: i64, word: &str) -> Vec<(i64, String)> {
    let Some(host) = word.strip_suffix('*') else { return vec![(start, word.to_owned())] };
    let frames = |n: i64| [(start + n * 1_100, format!("{host}!")), (start + n * 1_100, format!("{host}="))];
    (0..5).flat_map(frames).collect()
}

fn texts(finding: &Finding) -> Vec<&str> {
    finding.evidence.iter().map(|evidence| evidence.text.as_str()).collect()
}
