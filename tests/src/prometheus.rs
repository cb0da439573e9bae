//! Debian's Prometheus and Alertmanager with the rules that ship, in a namespace of their own.

mod relay;
pub(crate) mod setup;
pub(crate) mod webhook;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use serde_json::{Value, json};

use self::relay::Relay;
use self::setup::{PROMETHEUS, RECEIVER, Server};
use self::webhook::Webhook;
use crate::guard::Guard;
use crate::netns::Netns;
use crate::{http, wait};

/// The time that an alert gets: a scrape, an evaluation, Alertmanager, and the shortened windows.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The windows of the rules, shortened, so that an alert resolves within a test.
const WINDOWS: [(&str, &str); 2] = [("5m", "20s"), ("15m", "60s")];
/// By how much all of them are shortened.
const HURRY: i32 = 15;

/// The file of the rules in `deploy/`.
pub const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/prometheus/rules.plain.yaml");

/// An agent to be scraped.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The `instance` label.
    pub name: &'a str,
    pub ns: &'a Netns,
    pub at: SocketAddr,
}

/// Prometheus, Alertmanager and a receiver. Dropping it ends them.
#[derive(Debug)]
pub struct Monitor {
    // In this order: the servers end before those they talk to.
    prometheus: Daemon,
    _alertmanager: Daemon,
    webhook: Webhook,
    _relays: Vec<Relay>,
    ns: Netns,
}

#[derive(Debug)]
struct Daemon {
    child: Child,
    log: PathBuf,
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Returns the rules in `deploy/` with shorter times: windows of minutes, and how long a condition must hold, in one
/// proportion.
#[must_use]
pub fn hurried(rules: &str) -> String {
    let mut out = String::new();
    for line in rules.lines() {
        out.push_str(&shorter_hold(line).unwrap_or_else(|| shorter_windows(line)));
        out.push('\n');
    }
    out
}

/// Shortens the time for which a condition must hold: a scrape that fails on a busy machine is no agent that is down.
fn shorter_hold(line: &str) -> Option<String> {
    let (before, hold) = line.split_once("for: ").filter(|(before, _)| before.trim().is_empty())?;
    let hold: SignedDuration = hold.trim().parse().ok()?;
    Some(format!("{before}for: {}s", (hold / HURRY).as_secs()))
}

fn shorter_windows(line: &str) -> String {
    WINDOWS.iter().fold(line.to_owned(), |line, (window, shorter)| {
        line.replace(&format!("[{window}]"), &format!("[{shorter}]"))
            .replace(&format!("offset {window}"), &format!("offset {shorter}"))
    })
}

impl Monitor {
    /// Starts them and waits until Prometheus has scraped every target.
    ///
    /// # Errors
    /// Fails when a program is missing, ends, or is not ready in time.
    pub fn start(guard: &Arc<Guard>, targets: &[Target<'_>]) -> Result<Self> {
        let ns = Netns::new(guard, "monitor")?;
        let dir = guard.dir().join("monitor");
        fs::create_dir_all(&dir)?;
        let listener = ns.run(|| TcpListener::bind(RECEIVER));
        let webhook = Webhook::start(listener.with_context(|| format!("listen on {RECEIVER}"))?)?;
        let ports = 9500_u16..;
        let relays: Vec<Relay> = targets
            .iter()
            .zip(ports)
            .map(|(target, port)| Relay::start(&ns, local(port), target.ns, target.at))
            .collect::<Result<_>>()?;
        let scraped = targets.iter().zip(&relays).map(|(target, relay)| {
            Ok(json!({"targets": [relay.at()?.to_string()], "labels": {"instance": target.name}}))
        });
        let scraped: Vec<Value> = scraped.collect::<Result<_>>()?;
        let alertmanager = Daemon::start(&ns, &dir, &setup::alertmanager(&dir)?)?;
        let prometheus = Daemon::start(&ns, &dir, &setup::prometheus(&dir, &scraped)?)?;
        let monitor = Self { prometheus, _alertmanager: alertmanager, webhook, _relays: relays, ns };
        monitor.wait_query("sum(up)", |up| up == targets.len() as f64)?;
        Ok(monitor)
    }

    /// The values of an instant query.
    ///
    /// # Errors
    /// Fails when Prometheus doesn't answer, or the query is wrong.
    pub fn query(&self, expr: &str) -> Result<Vec<f64>> {
        let answer = http::get(&self.ns, PROMETHEUS, &format!("/api/v1/query?query={}", escape(expr)))?;
        ensure!(answer.status == 200, "{expr}: {}", answer.body);
        let body: Value = serde_json::from_str(&answer.body)?;
        let result = body["data"]["result"].as_array().context("no result")?;
        let value = |sample: &Value| sample["value"][1].as_str().and_then(|value| value.parse().ok());
        Ok(result.iter().filter_map(value).collect())
    }

    /// Waits until some series of `expr` has a wanted value.
    ///
    /// # Errors
    /// Fails when no series has such a value in time.
    pub fn wait_query(&self, expr: &str, wanted: impl Fn(f64) -> bool) -> Result<()> {
        let found = || self.query(expr).ok()?.into_iter().any(&wanted).then_some(());
        wait::until(&format!("`{expr}`"), PATIENCE, found)
            .with_context(|| format!("it is {:?}\n{}", self.query(expr), self.prometheus.log()))
    }

    /// Waits for an alert that the webhook receives, doing something before each look.
    ///
    /// # Errors
    /// Fails when no such alert comes within [`PATIENCE`]; the message lists what came instead.
    pub fn wait_alert(
        &self,
        name: &str,
        status: &str,
        mut act: impl FnMut(),
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let is_it = |alert: &Value| {
            alert["labels"]["alertname"] == name && alert["status"] == status && wanted(alert)
        };
        wait::until(&format!("alert {name} ({status})"), PATIENCE, || {
            act();
            self.webhook.received().into_iter().find(is_it)
        })
        .with_context(|| self.report())
    }

    /// Every alert received so far, oldest first; repeated ones again.
    #[must_use]
    pub fn received(&self) -> Vec<Value> {
        self.webhook.received()
    }

    fn report(&self) -> String {
        let lines: Vec<String> = self.received().iter().map(|alert| format!("  {alert}\n")).collect();
        format!("alerts received:\n{}log of Prometheus:\n{}", lines.concat(), self.prometheus.log())
    }
}

impl Daemon {
    fn start(ns: &Netns, dir: &Path, server: &Server) -> Result<Self> {
        let Server { program, args, at } = server;
        let log = dir.join(format!("{program}.log"));
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let child = ns.run(|| command.spawn()).with_context(|| {
            format!("start {program}: `cargo xtask setup` installs prometheus and prometheus-alertmanager")
        })?;
        let daemon = Self { child, log };
        let ready = || http::get(ns, *at, "/-/ready").ok().filter(|answer| answer.status == 200);
        wait::until(&format!("{program} to be ready"), PATIENCE, ready).with_context(|| daemon.log())?;
        Ok(daemon)
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            report(&self.log());
        }
    }
}

#[expect(clippy::print_stderr, reason = "a failed test shows the logs of its servers")]
fn report(log: &str) {
    eprintln!("--- log of Prometheus or Alertmanager:\n{log}---");
}

/// Percent-encodes everything but letters and digits.
pub(crate) fn escape(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests;
