//! `explain` and `audit` against the kernel's behaviour and the agent's records.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use lab::agent::LISTEN;
use lab::findings::PATIENCE;
use lab::firewall::{Firewall, Refusal};
use lab::pod::Pod;
use lab::product::{self, Answer};
use lab::traffic::{Server, connect};
use lab::world::World;
use lab::{policy, wait};
use serde_json::{Value, json};

use crate::platform::{self, Platform, database};

const PORTS: [u16; 2] = [5432, 9187];

const EGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: pal-e-app, name: only-postgres}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: postgres}}}]
      ports: [{port: 5432}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: monitoring, name: default-deny}
spec: {podSelector: {}}";

/// Field order is drop order.
struct Pairs {
    _firewalls: Vec<Firewall>,
    _servers: Vec<Server>,
    pods: Vec<Pod>,
    world: World,
}

impl Pairs {
    /// Builds five serving pods, policies in both directions, and firewalls set by hand to enforce them.
    fn new() -> Self {
        let world = World::new().unwrap();
        let [docs, app, prometheus, postgres, backup] = [
            ("pal-e-docs", "docs"),
            ("pal-e-app", "app"),
            ("monitoring", "prometheus"),
            ("postgres", "postgres"),
            ("postgres", "backup"),
        ]
        .map(|(namespace, workload)| world.pod(namespace, workload).unwrap());
        world
            .cluster
            .apply(&policy::admitting("postgres", "default-deny-ingress", &["pal-e-app", "monitoring"]))
            .unwrap();
        world.cluster.apply_yaml(EGRESS).unwrap();
        let refusal = Refusal::PortUnreachable;
        let ingress = |pod| Firewall::new(&world.node, pod, (1, u16::MAX), refusal).unwrap();
        let firewalls = [&postgres, &backup, &prometheus].map(ingress);
        for firewall in &firewalls[..2] {
            [&app, &prometheus].into_iter().for_each(|pod| firewall.allow_pod(pod).unwrap());
        }
        let egress = Firewall::egress(&world.node, &app, (5432, 5432), refusal).unwrap();
        [&postgres, &backup].into_iter().for_each(|pod| egress.allow_pod(pod).unwrap());
        let pods = vec![docs, app, prometheus, postgres, backup];
        let serve = |pod: &Pod| PORTS.map(|port| Server::start(&pod.ns, port).unwrap());
        let servers = pods.iter().flat_map(serve).collect();
        Self { _firewalls: firewalls.into_iter().chain([egress]).collect(), _servers: servers, pods, world }
    }

    /// Returns the kernel's decision on every pair, by query ID.
    fn kernel(&self) -> BTreeMap<String, &'static str> {
        self.each(|src, dst, port| match connect(&src.ns, dst.at(port)) {
            Ok(_) => "allow",
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => "deny",
            Err(e) => panic!("{} to {}:{port}: {e}", src.name, dst.name),
        })
    }

    fn each<T>(&self, mut of: impl FnMut(&Pod, &Pod, u16) -> T) -> BTreeMap<String, T> {
        let mut all = BTreeMap::new();
        for (src, dst) in self.pods.iter().flat_map(|src| self.pods.iter().map(move |dst| (src, dst))) {
            for port in PORTS {
                all.insert(format!("{} {} {port}", src.name, dst.name), of(src, dst, port));
            }
        }
        all
    }

    fn queries(&self) -> String {
        let mut lines = String::new();
        let pod = |pod: &Pod| json!({"ns": pod.namespace, "pod": pod.name});
        let queries = self.each(|src, dst, port| (pod(src), pod(dst), port));
        for (id, (src, dst, port)) in queries {
            let query = json!({"id": id, "src": src, "dst": dst, "port": port, "protocol": "TCP"});
            writeln!(lines, "{query}").unwrap();
        }
        lines
    }
}

#[test]
fn explain_agrees_with_the_kernel() {
    let pairs = Pairs::new();
    let kernel = pairs.kernel();
    let denied = kernel.values().filter(|decision| **decision == "deny").count();
    // At postgres and at backup 5 each (docs, the other, app at 9187), at prometheus 8 (all others), at docs 2 (app).
    assert_eq!(denied, 20, "the firewalls do what the policies say: {kernel:#?}");
    let cluster = pairs.world.cluster.flag();
    let file = pairs.world.guard.dir().join("queries.ndjson");
    fs::write(&file, pairs.queries()).unwrap();
    let answer =
        product::run(&pairs.world.node.ns, &["explain", "--cluster", &cluster, "--queries", path(&file)])
            .unwrap();
    let explained: BTreeMap<String, String> = answer.stdout.lines().map(decision).collect();
    assert_eq!(explained.len(), kernel.len(), "an answer each: {answer:?}");
    let wrong: Vec<_> =
        kernel.iter().filter(|(id, expected)| explained.get(*id).is_none_or(|e| e != *expected)).collect();
    assert!(wrong.is_empty(), "the kernel says {wrong:#?}, explain:\n{}", answer.stdout);
}

fn decision(line: &str) -> (String, String) {
    let answer: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    assert!(!text("explanation").is_empty(), "{line}");
    (text("id"), text("decision"))
}

#[test]
fn the_exit_code_of_explain_answers_for_one_pair() {
    let (platform, docs) = Platform::new();
    platform.lose(&docs);
    let cluster = platform.world.cluster.flag();
    let ask = |from: &Pod, to: &str| {
        let from = format!("{}/{}", from.namespace, from.name);
        product::run(&platform.world.node.ns, &["explain", "--cluster", &cluster, &from, to]).unwrap()
    };
    for to in ["postgres/pal-e-postgres-rw:5432", "postgres/pal-e-postgres-1:5432", "10.43.239.89:5432"] {
        let denied = ask(&docs, to);
        assert_eq!(denied.code, Some(1), "{to}: {denied:?}");
        for part in [platform::POLICY, "no rule admits namespace pal-e-docs"] {
            assert!(denied.stdout.contains(part), "{to}: {denied:?}");
        }
        let allowed = ask(&platform.app, to);
        assert_eq!(allowed.code, Some(0), "{to}: {allowed:?}");
    }
    let nowhere = ask(&docs, "postgres/no-such-pod:5432");
    assert_ne!(nowhere.code, Some(0), "what does not exist is not allowed: {nowhere:?}");
}

#[test]
fn audit_stops_the_broken_change() {
    let (platform, docs) = Platform::new();
    let agent = platform.world.agent(&[]).unwrap();
    for pod in [&docs, &platform.app] {
        connect(&pod.ns, database()).unwrap().echo().unwrap();
    }
    let dir = platform.world.guard.dir();
    let broken = manifest(dir, "broken.yaml", &platform::broken());
    let whole = manifest(dir, "whole.yaml", &platform::whole());
    let url = format!("http://{LISTEN}");
    let audit = |file: &Path, more: &[&str]| {
        let args = [&["audit", "--manifests", path(file)], more].concat();
        product::run(&platform.world.node.ns, &args).unwrap()
    };

    let mut last = None;
    let caught = || {
        let answer = last.insert(audit(&broken, &["--url", &url]));
        names_the_flow(answer).then(|| answer.clone())
    };
    let caught = wait::until("audit to name the flow", PATIENCE, caught);
    let caught = caught.with_context(|| format!("{last:?}")).unwrap();
    assert!(!caught.stdout.contains("pal-e-app-7d9c6b5f48"), "it goes on to work: {}", caught.stdout);
    let fine = audit(&whole, &["--url", &url]);
    assert_eq!(fine.code, Some(0), "{fine:?}");

    let flows = dir.join("snapshot.json");
    fs::write(&flows, agent.get("/api/v1/snapshot").unwrap().body).unwrap();
    let later = audit(&broken, &["--flows", path(&flows)]);
    assert!(names_the_flow(&later), "{later:?}");
    for format in ["json", "sarif"] {
        let answer = audit(&broken, &["--flows", path(&flows), "-o", format]);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(serde_json::from_str::<Value>(&answer.stdout).is_ok(), "{answer:?}");
    }
}

fn names_the_flow(answer: &Answer) -> bool {
    let parts = ["pal-e-docs", "5432", platform::POLICY];
    answer.code == Some(1) && parts.iter().all(|part| answer.stdout.contains(part))
}

fn manifest(dir: &Path, name: &str, object: &Value) -> PathBuf {
    let file = dir.join(name);
    policy::write(&file, object).unwrap();
    file
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
