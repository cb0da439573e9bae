//! Runs the real agent inside a node.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::http::{self, Response};
use crate::metrics::{self, Sample};
use crate::netns::Netns;
use crate::wait;

/// The address where the agent listens, inside its node.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9477);

/// The time within which SIGTERM must end the agent.
pub const STOP_WITHIN: Duration = Duration::from_secs(2);

/// A running agent. Dropping it kills it; in a panic its log is printed.
#[derive(Debug)]
pub struct Agent {
    ns: Netns,
    child: Child,
    log: PathBuf,
    /// The token that every request carries.
    token: Option<String>,
}

/// Returns `$FLOW_OBSERVER_BIN`, else the binary beside the running test or demo.
///
/// # Errors
/// Fails when the binary is missing; the message explains how to build it.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("FLOW_OBSERVER_BIN") {
        return Ok(path.into());
    }
    let exe = std::env::current_exe()?;
    exe.ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join("flow-observer"))
        .find(|path| path.is_file())
        .context("no flow-observer binary: run `cargo build -p observer`, or set FLOW_OBSERVER_BIN")
}

impl Agent {
    /// Starts `flow-observer run` on a node and waits until it is ready. `cluster` is the value of `--cluster`; `logs`
    /// a directory for its log.
    ///
    /// # Errors
    /// Fails when the agent can't be started, ends, or isn't ready in time; the error holds its log.
    pub fn start(ns: &Netns, node: &str, cluster: &str, logs: &Path, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command
            .args(["run", "--cluster", cluster, "--node-name", node, "--listen", &LISTEN.to_string()])
            .args(args);
        Self::start_as(ns, node, logs, command)
    }

    /// Starts the agent by a command of the caller, e.g. in a container. It must listen on [`LISTEN`].
    ///
    /// # Errors
    /// Fails as [`Agent::start`] does.
    pub fn start_as(ns: &Netns, node: &str, logs: &Path, command: Command) -> Result<Self> {
        let mut agent = Self::launch(ns, node, logs, command)?;
        // An emulated processor verifies the programs for up to 17 s, beside another guest for more.
        let deadline = 3 * wait::DEADLINE;
        let end = Instant::now() + deadline;
        while !agent.is_ready() {
            if let Some(status) = agent.child.try_wait()? {
                bail!("the agent ended ({status}) before it was ready:\n{}", agent.log());
            }
            if wait::interrupted() || Instant::now() > end {
                bail!("the agent was not ready within {deadline:?}:\n{}", agent.log());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(agent)
    }

    fn launch(ns: &Netns, node: &str, logs: &Path, mut command: Command) -> Result<Self> {
        static LOGS: AtomicU32 = AtomicU32::new(0);
        let log = logs.join(format!("agent-{node}-{}.log", LOGS.fetch_add(1, Ordering::Relaxed)));
        command
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        // A child starts in the namespace of the thread that spawns it.
        let child = ns.run(|| command.spawn()).with_context(|| format!("start {command:?}"))?;
        Ok(Self { ns: ns.clone(), child, log, token: None })
    }

    fn is_ready(&self) -> bool {
        self.get("/readyz").is_ok_and(|answer| answer.status == 200)
    }

    /// Returns its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns its process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Requests `path`.
    ///
    /// # Errors
    /// Fails when the agent doesn't answer.
    pub fn get(&self, path: &str) -> Result<Response> {
        self.get_as(self.token.as_deref(), path)
    }

    /// Requests `path` with a bearer token, or without one.
    ///
    /// # Errors
    /// Fails as [`Self::get`] does.
    pub fn get_as(&self, token: Option<&str>, path: &str) -> Result<Response> {
        http::get_as(&self.ns, LISTEN, path, token)
    }

    /// Sends this token with every later request.
    #[must_use]
    pub fn with_token(mut self, token: String) -> Self {
        self.token = Some(token);
        self
    }

    pub(crate) fn get_ok(&self, path: &str) -> Result<String> {
        let answer = self.get(path)?;
        ensure!(answer.status == 200, "GET {path}: status {}: {}", answer.status, answer.body);
        Ok(answer.body)
    }

    /// Returns the records of the last ten minutes that pass the filters in `query`, e.g.
    /// `kind=attempt&outcome=refused`.
    ///
    /// # Errors
    /// Fails when the agent doesn't answer, or not in JSON.
    pub fn flows(&self, query: &str) -> Result<Vec<Value>> {
        let body = self.get_ok(&format!("/api/v1/flows?since=10m&follow=false&{query}"))?;
        body.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// Returns the pairs of `/api/v1/pairs`.
    ///
    /// # Errors
    /// Fails when the agent doesn't answer, or not in JSON.
    pub fn pairs(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.get_ok("/api/v1/pairs")?)?)
    }

    /// Returns the state of a VIP, or `None` while the agent has none of this address.
    ///
    /// # Errors
    /// Fails when the agent doesn't answer, or not in JSON.
    pub fn vip(&self, ip: IpAddr) -> Result<Option<Value>> {
        let mut body: Value = serde_json::from_str(&self.get_ok("/api/v1/vips")?)?;
        let vips: Vec<Value> = serde_json::from_value(body["vips"].take()).context("`vips` is no list")?;
        Ok(vips.into_iter().find(|vip| vip["ip"] == ip.to_string()))
    }

    /// Returns all metrics.
    ///
    /// # Errors
    /// Fails when the agent doesn't answer.
    pub fn metrics(&self) -> Result<Vec<Sample>> {
        Ok(metrics::parse(&self.get_ok("/metrics")?))
    }

    /// Returns the sum of the series of `name` (without the product's prefix) that have all of `labels`; 0 without any.
    ///
    /// # Errors
    /// Fails when the agent doesn't answer.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        let name = format!("flow_observer_{name}");
        Ok(self.metrics()?.iter().filter(|s| s.matches(&name, labels)).map(|s| s.value).sum())
    }

    /// Waits for `what`.
    ///
    /// # Errors
    /// Fails when `probe` gives no value within [`wait::DEADLINE`].
    pub fn wait_for<T>(&self, what: &str, mut probe: impl FnMut(&Self) -> Option<T>) -> Result<T> {
        wait::until(what, wait::DEADLINE, || probe(self))
    }

    /// Waits for the first record that passes `query` and `wanted`.
    ///
    /// # Errors
    /// Fails when no such record arrives in time; the message lists those that did.
    pub fn wait_flow(&self, query: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.wait_for("a flow record", |a| a.flows(query).ok()?.into_iter().find(|r| wanted(r)))
            .with_context(|| self.shown_flows(query))
    }

    fn shown_flows(&self, query: &str) -> String {
        let mut listed = format!("records for `{query}`, of all kinds:");
        for record in self.flows("").unwrap_or_default() {
            listed.push('\n');
            listed.push_str(&record.to_string());
        }
        listed
    }

    /// Waits until a metric has a value.
    ///
    /// # Errors
    /// Fails when the metric doesn't get there in time; the message has the last value.
    pub fn wait_metric(&self, name: &str, labels: &[(&str, &str)], wanted: f64) -> Result<()> {
        let what = format!("{name}{labels:?} to be {wanted}");
        self.wait_for(&what, |a| a.metric(name, labels).ok().filter(|have| *have == wanted).map(drop))
            .with_context(|| format!("it is {:?}", self.metric(name, labels)))
    }

    /// Stops it with SIGTERM, as a service manager does.
    ///
    /// # Errors
    /// Fails when the agent takes longer than [`STOP_WITHIN`] or ends with a code other than 0.
    pub fn stop(mut self) -> Result<()> {
        let started = Instant::now();
        self.signal(Signal::SIGTERM)?;
        let status = self.wait_end(wait::DEADLINE)?;
        let took = started.elapsed();
        ensure!(status.success(), "the agent ended with {status} on SIGTERM:\n{}", self.log());
        ensure!(took <= STOP_WITHIN, "the agent took {took:?} to stop:\n{}", self.log());
        Ok(())
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// Fails when the agent has ended already.
    pub fn kill(mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        let status = self.wait_end(wait::DEADLINE)?;
        ensure!(status.signal() == Some(Signal::SIGKILL as i32), "the agent had ended with {status}");
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.child.id().try_into()?), signal)?)
    }

    fn wait_end(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        wait::until("the agent to end", deadline, || child.try_wait().transpose())?
            .context("wait for the agent")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            report(&self.log());
        }
    }
}

#[expect(clippy::print_stderr, reason = "a failed test shows the log of its agent")]
fn report(log: &str) {
    eprintln!("--- the agent's log:\n{log}---");
}
