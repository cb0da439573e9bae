//! Hears every warning about a namespace: findings, Events also when they are gone again, and alerts.

use anyhow::{Context as _, Result, ensure};
use lab::real::{Cluster, Monitor, PATIENCE, Process};
use lab::wait;
use serde_json::Value;

fn kinds(findings: &[&Value]) -> String {
    findings.iter().filter_map(|found| found["kind"].as_str()).collect::<Vec<_>>().join(", ")
}

/// Everything by which somebody could be warned. It starts before the namespace is there.
pub(crate) struct Listener<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    events: Process,
    monitor: Monitor<'a>,
}

impl<'a> Listener<'a> {
    pub(crate) fn start(cluster: &'a Cluster, namespace: &'a str) -> Result<Self> {
        let events = cluster.watch(&format!("get events -n {namespace} --watch -o json"))?;
        Ok(Self { cluster, namespace, events, monitor: Monitor::start(cluster)? })
    }

    /// Nothing of this namespace is or was worth a warning.
    pub(crate) fn heard_nothing(&self) -> Result<()> {
        let findings = self.cluster.findings(self.namespace)?;
        let loud: Vec<&Value> = findings.iter().filter(|found| found["severity"] != "info").collect();
        ensure!(loud.is_empty(), "somebody was warned by {}: {loud:#?}", kinds(&loud));
        ensure!(self.events.is_running(), "the watch of Events has ended: {}", self.events.log());
        let events = self.events()?;
        let ours: Vec<&Value> =
            events.iter().filter(|event| event["source"]["component"] == "flow-observer").collect();
        ensure!(ours.is_empty(), "somebody was warned: {ours:#?}");
        // The kubelets' and controllers' own Events show that the watch works.
        ensure!(!events.is_empty(), "the watch saw no Event at all");
        let notified = self.monitor.notified();
        ensure!(notified.is_empty(), "somebody was alerted: {notified:#?}");
        Ok(())
    }

    /// Waits until Prometheus has counted so many refused connections to a namespace.
    pub(crate) fn wait_refusals(&self, namespace: &str, wanted: f64) -> Result<()> {
        let counter = "flow_observer:connection_attempts:increase5m";
        let query = format!(r#"max({counter}{{outcome="refused",dst_namespace="{namespace}"}})"#);
        let seen = || self.monitor.query(&query).ok()?.iter().any(|seen| *seen >= wanted).then_some(());
        wait::until("refused connections", PATIENCE, seen)
            .with_context(|| format!("{:?}", self.monitor.query(&query)))
    }

    /// All Events so far. The last may be half written.
    fn events(&self) -> Result<Vec<Value>> {
        let log = self.events.log();
        let mut events = Vec::new();
        for event in serde_json::Deserializer::from_str(&log).into_iter() {
            match event {
                Ok(event) => events.push(event),
                Err(error) if error.is_eof() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(events)
    }
}
