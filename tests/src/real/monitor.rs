//! Debian's Prometheus and Alertmanager on the nodes' LAN, with the rules that ship, and who is notified.

mod notified;

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::process::Process;
use super::{CLIENT, Cluster};
use crate::prometheus::escape;
use crate::prometheus::setup::{self, ALERTMANAGER, PROMETHEUS, RECEIVER, Server};
use crate::prometheus::webhook::Webhook;
use crate::wait;

/// The time that an alert gets: a scrape, an evaluation, and the shortened windows.
const PATIENCE: Duration = Duration::from_secs(90);

/// Prometheus that scrapes every node's agent, and the way of its alerts. Dropping it ends it.
#[derive(Debug)]
pub struct Monitor<'a> {
    cluster: &'a Cluster,
    // In this order: the servers end before those they talk to.
    prometheus: Process,
    alertmanager: Process,
    webhook: Webhook,
    /// When every agent had been scraped. What began before is of this start: nothing is scraped then.
    since: Timestamp,
}

impl<'a> Monitor<'a> {
    /// Starts everything, and waits until Prometheus has scraped every agent.
    ///
    /// # Errors
    /// Fails when a program is not installed, ends, or can't scrape.
    pub fn start(cluster: &'a Cluster) -> Result<Self> {
        let dir = cluster.dir().join("monitor");
        // What an earlier one remembers is of another scenario.
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        let nodes = cluster.node_addresses()?;
        let webhook = Webhook::start(cluster.listen(CLIENT, RECEIVER)?)?;
        let scraped: Vec<Value> = nodes.iter().map(|ip| json!({"targets": [format!("{ip}:9477")]})).collect();
        let alertmanager = started(cluster, &setup::alertmanager(&dir)?)?;
        let prometheus = started(cluster, &setup::prometheus(&dir, &scraped)?)?;
        let mut monitor = Self { cluster, prometheus, alertmanager, webhook, since: Timestamp::MAX };
        monitor.wait_ready(nodes.len())?;
        monitor.since = Timestamp::now();
        Ok(monitor)
    }

    fn wait_ready(&self, agents: usize) -> Result<()> {
        wait::until("Alertmanager to be ready", PATIENCE, || self.fetch(ALERTMANAGER, "-/ready").ok())
            .with_context(|| self.alertmanager.log())?;
        let up = || (self.query("sum(up)").ok()? == [agents as f64]).then_some(());
        wait::until("Prometheus to scrape every agent", PATIENCE, up).with_context(|| self.prometheus.log())
    }

    fn fetch(&self, at: SocketAddr, path: &str) -> Result<String> {
        self.cluster.on(CLIENT, &format!("busybox wget -qO- 'http://{at}/{path}'"))
    }

    fn ask(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.fetch(PROMETHEUS, &format!("api/v1/{path}"))?)?)
    }

    fn samples(&self, expression: &str) -> Result<Vec<Value>> {
        let mut answer = self.ask(&format!("query?query={}", escape(expression)))?;
        serde_json::from_value(answer["data"]["result"].take()).context("no result")
    }

    /// Returns the values of an instant query.
    ///
    /// # Errors
    /// Fails when Prometheus doesn't answer.
    pub fn query(&self, expression: &str) -> Result<Vec<f64>> {
        let value = |sample: &Value| sample["value"][1].as_str().and_then(|value| value.parse().ok());
        Ok(self.samples(expression)?.iter().filter_map(value).collect())
    }

    /// Returns the alerts that fire now.
    ///
    /// # Errors
    /// Fails when Prometheus doesn't answer.
    pub fn firing(&self) -> Result<Vec<Value>> {
        let alerts = self.ask("alerts")?["data"]["alerts"].take();
        let alerts: Vec<Value> = serde_json::from_value(alerts)?;
        Ok(alerts.into_iter().filter(|alert| alert["state"] == "firing").collect())
    }

    /// Waits until an alert with this name fires, or until none does.
    ///
    /// # Errors
    /// Fails when that doesn't happen within 90 s; the message lists the alerts.
    pub fn wait_alert(&self, name: &str, firing: bool) -> Result<()> {
        let wanted = || {
            let found = self.firing().ok()?.iter().any(|alert| alert["labels"]["alertname"] == name);
            (found == firing).then_some(())
        };
        let what = if firing { "to fire" } else { "to end" };
        wait::until(&format!("alert {name} {what}"), PATIENCE, wanted)
            .with_context(|| format!("firing: {:?}", self.firing()))
    }
}

fn started(cluster: &Cluster, server: &Server) -> Result<Process> {
    let args: Vec<&str> = server.args.iter().map(String::as_str).collect();
    cluster.start(CLIENT, server.program, &args)
}
