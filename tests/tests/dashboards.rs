//! Runs every query of the dashboards in `deploy/grafana/`, in a real Prometheus that scrapes real agents: a panel that stays
//! empty asks for something that there isn't.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::fs;
use std::time::Duration;

use lab::agent::{Agent, LISTEN};
use lab::announce::Pattern;
use lab::firewall::{Firewall, Refusal};
use lab::manifest::checkout;
use lab::pod::Pod;
use lab::policy::admitting;
use lab::prometheus::{Monitor, Target};
use lab::traffic::{Conversation, Server, connect, connect_within};
use lab::vip::{NODES, PORT, Setup, Site};
use lab::wait;
use serde_json::Value;

/// The four files.
const DASHBOARDS: [&str; 4] = ["agents", "overview", "vips", "workload"];
/// The time that all panels get together. Each beat of the scene takes about two seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// The port of the servers in this scene.
const SERVED: u16 = 8080;
/// Nothing listens here.
const CLOSED: u16 = 8081;
/// SYNs to this port are dropped.
const LOST: u16 = 8082;
/// What Grafana puts in place of its variables. The workload is the one that everything happens to.
const VARIABLES: [(&str, &str); 6] = [
    ("$__rate_interval", "20s"),
    ("$__range", "5m"),
    ("$namespace", "data"),
    ("$workload", "cache"),
    ("$vip", ".*"),
    ("$instance", ".*"),
];

/// Two workloads that refuse each other, one that both admit, and a VIP that moves. Field order is drop order.
struct Scene {
    _agents: [Agent; 2],
    monitor: Monitor,
    /// A policy refuses it, but it was open before.
    _latent: Conversation,
    _firewalls: [Firewall; 2],
    _servings: [Server; 3],
    front: Pod,
    cache: Pod,
    job: Pod,
    site: Site,
    beats: usize,
}

/// Admits another namespace to both workloads, by policy and by firewall.
fn closed(site: &Site, pod: &Pod, admitted: &[(&str, &Pod)]) -> Firewall {
    let firewall = Firewall::new(&site.world.node, pod, (1, u16::MAX), Refusal::PortUnreachable).unwrap();
    let namespaces: Vec<&str> = admitted.iter().map(|(namespace, _)| *namespace).collect();
    admitted.iter().for_each(|(_, peer)| firewall.allow_pod(peer).unwrap());
    site.world.cluster.apply(&admitting(&pod.namespace, "lockdown", &namespaces)).unwrap();
    firewall
}

impl Scene {
    fn new() -> Self {
        let mut site = Site::new(Setup::default()).unwrap();
        let pod = |namespace, name| site.world.pod(namespace, name).unwrap();
        let (front, cache, job) = (pod("web", "front"), pod("data", "cache"), pod("batch", "job"));
        let servings = [&front, &cache, &job].map(|pod| Server::start(&pod.ns, SERVED).unwrap());
        cache.ns.exec(format!("iptables -w -I INPUT -p tcp --dport {LOST} -j DROP")).unwrap();
        let firewalls = [
            closed(&site, &front, &[("batch", &job)]),
            closed(&site, &cache, &[("batch", &job), ("web", &front)]),
        ];
        let config = site.world.guard.dir().join("agent.toml");
        let target = site.pods[0].at(PORT);
        let check = format!("[[check]]\nname = \"postgres\"\ntarget = \"{target}\"\ninterval = \"1s\"\n");
        fs::write(&config, check).unwrap();
        let agents = site.agents(&["--config", config.to_str().unwrap()]).unwrap();
        let targets = [0, 1].map(|n| Target { name: NODES[n], ns: &site.nodes()[n].ns, at: LISTEN });
        let monitor = Monitor::start(&site.world.guard, &targets).unwrap();
        site.move_to(0, Pattern::METALLB.shortly()).unwrap();

        let mut latent = connect(&front.ns, cache.at(SERVED)).unwrap();
        latent.echo().unwrap();
        let established =
            r#"flow_observer_connection_attempts_total{outcome="established",dst_workload="cache"}"#;
        monitor.wait_query(established, |count| count >= 1.0).unwrap();
        site.world.cluster.apply(&admitting("data", "lockdown", &["batch"])).unwrap();
        firewalls[1].deny_pod(&front).unwrap();
        Self {
            _agents: agents,
            monitor,
            _latent: latent,
            _firewalls: firewalls,
            _servings: servings,
            front,
            cache,
            job,
            site,
            beats: 0,
        }
    }

    /// Lets everything happen once more: counters must rise while Prometheus looks.
    fn beat(&mut self) {
        drop(connect(&self.front.ns, self.cache.at(SERVED)).unwrap_err());
        drop(connect(&self.cache.ns, self.front.at(SERVED)).unwrap_err());
        drop(connect(&self.job.ns, self.cache.at(CLOSED)).unwrap_err());
        connect(&self.job.ns, self.cache.at(SERVED)).unwrap().be_reset().unwrap();
        connect(&self.cache.ns, self.job.at(SERVED)).unwrap().reset().unwrap();
        drop(connect_within(&self.job.ns, self.cache.at(LOST), Duration::from_millis(1_200)).unwrap_err());
        let open = self.site.converse(8).unwrap();
        self.beats += 1;
        self.site.move_to(self.beats % 2, Pattern::METALLB.shortly()).unwrap();
        for mut conversation in open {
            drop(conversation.echo().unwrap_err());
        }
    }
}

/// A query of a panel, with the values of variables.
struct Query {
    of: String,
    text: String,
}

/// Returns all queries, and those of the variables.
fn queries() -> Vec<Query> {
    let dashboards = DASHBOARDS.map(|name| {
        let path = checkout("deploy/grafana").join(format!("{name}.json"));
        (name, serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap())
    });
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for (name, dashboard) in &dashboards {
        for panel in list(&dashboard["panels"]) {
            for target in list(&panel["targets"]) {
                let of = format!("{name}: {} ({})", panel["title"], target["refId"]);
                found.push(Query { of, text: filled(target["expr"].as_str().unwrap()) });
            }
        }
        for variable in list(&dashboard["templating"]["list"]) {
            let Some(values) = variable["query"]["query"].as_str() else { continue };
            let parts = values.trim_start_matches("label_values(").trim_end_matches(')');
            let (series, label) = parts.rsplit_once(", ").unwrap();
            let of = format!("{name}: the variable {}", variable["name"]);
            found.push(Query { of, text: filled(&format!("group by ({label}) ({series})")) });
        }
    }
    found
}

fn filled(query: &str) -> String {
    let text = VARIABLES.iter().fold(query.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!text.contains('$'), "a variable is not known: {text}");
    text
}

/// Returns whether a query gives nothing that a panel could show.
fn is_empty(monitor: &Monitor, query: &Query) -> bool {
    let values = monitor.query(&query.text).unwrap_or_else(|error| panic!("{}: {error:#}", query.of));
    values.iter().all(|value| value.is_nan())
}

#[test]
fn no_panel_is_empty_when_everything_happens() {
    let queries = queries();
    assert!(queries.len() > 50, "{}", queries.len());
    let mut scene = Scene::new();
    let mut left: Vec<&Query> = queries.iter().collect();
    let all = wait::until("every panel to show something", PATIENCE, || {
        scene.beat();
        left.retain(|query| is_empty(&scene.monitor, query));
        left.is_empty().then_some(())
    });
    let left: Vec<String> = left.iter().map(|query| format!("{}: {}\n", query.of, query.text)).collect();
    assert!(all.is_ok(), "{all:?}; after {} beats these are empty:\n{}", scene.beats, left.concat());
}
