//! Real VictoriaLogs, a log engine that takes OTLP and answers LogsQL.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::guard::Guard;
use crate::lan::{Host, Lan};
use crate::prometheus::escape;
use crate::{http, wait};

/// Names the directory with VictoriaLogs.
const ENV: &str = "FLOW_OBSERVER_VICTORIA_LOGS";
const PORT: u16 = 9428;

/// A machine on the lab's LAN with VictoriaLogs, which may be away.
#[derive(Debug)]
pub struct VictoriaLogs {
    program: PathBuf,
    host: Host,
    data: PathBuf,
    log: PathBuf,
    running: Option<Child>,
}

impl VictoriaLogs {
    /// Makes the machine, on which nothing runs yet.
    ///
    /// # Errors
    /// Fails when there is no VictoriaLogs; the message explains where it comes from.
    pub fn new(guard: &Arc<Guard>, lan: &Lan) -> Result<Self> {
        let hint = "`cargo xtask test` builds VictoriaLogs and sets it";
        let dir = std::env::var_os(ENV).with_context(|| format!("{ENV} is not set: {hint}"))?;
        let program = PathBuf::from(dir).join("victoria-logs");
        ensure!(program.is_file(), "{} is missing, which {ENV} names: {hint}", program.display());
        let host = lan.host(guard, "logs", 60)?;
        let (data, log) = (guard.dir().join("victoria-logs"), guard.dir().join("victoria-logs.log"));
        Ok(Self { program, host, data, log, running: None })
    }

    /// Starts VictoriaLogs with what it kept, and waits until it answers.
    ///
    /// # Errors
    /// Fails when it ends, or doesn't answer in time.
    pub fn start(&mut self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command
            .arg(format!("-storageDataPath={}", self.data.display()))
            .arg(format!("-httpListenAddr=:{PORT}"))
            .args(["-loggerLevel=WARN", "-enableTCP6"])
            .stdin(Stdio::null())
            .stdout(File::options().append(true).create(true).open(&self.log)?)
            .stderr(File::options().append(true).open(&self.log)?);
        let child = self.host.ns.run(|| command.spawn()).context("start VictoriaLogs")?;
        self.running = Some(child);
        let ready = || self.get("/health").ok().filter(|answer| answer.status == 200);
        wait::until("VictoriaLogs", wait::DEADLINE, ready).with_context(|| self.log()).map(drop)
    }

    /// Ends VictoriaLogs. Its machine then refuses connections.
    ///
    /// # Errors
    /// Fails when it does not run.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.running.take() else { bail!("VictoriaLogs does not run") };
        let pid = nix::unistd::Pid::from_raw(child.id().try_into()?);
        // It writes what it holds in memory.
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        child.wait()?;
        Ok(())
    }

    /// Returns the base URL for OTLP.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}:{PORT}/insert/opentelemetry", self.host.ip4)
    }

    /// Returns the rows that a query gives.
    ///
    /// # Errors
    /// Fails when the query is wrong, or VictoriaLogs doesn't answer.
    pub fn query(&self, logsql: &str) -> Result<Vec<Value>> {
        let answer = self.get(&format!("/select/logsql/query?query={}", escape(logsql)))?;
        ensure!(answer.status == 200, "{logsql}: {}", answer.body);
        let rows = answer.body.lines().map(|line| serde_json::from_str(line).context(line.to_owned()));
        rows.collect()
    }

    /// Waits until a query gives rows that are wanted, and returns them.
    ///
    /// # Errors
    /// Fails when it doesn't in time; the message has what it gives.
    pub fn wait(&self, logsql: &str, wanted: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        let found = || self.query(logsql).ok().filter(|rows| wanted(rows));
        wait::until(&format!("`{logsql}`"), 2 * wait::DEADLINE, found)
            .with_context(|| format!("it is {:#?}\n{}", self.query(logsql), self.log()))
    }

    /// Returns the bytes on its disk.
    ///
    /// # Errors
    /// Fails when the directory can't be read.
    pub fn disk(&self) -> Result<u64> {
        size(&self.data)
    }

    fn get(&self, path: &str) -> Result<http::Response> {
        http::get(&self.host.ns, SocketAddr::from(([127, 0, 0, 1], PORT)), path)
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for VictoriaLogs {
    fn drop(&mut self) {
        if let Some(child) = &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
        if thread::panicking() {
            report(&self.log());
        }
    }
}

#[expect(clippy::print_stderr, reason = "a failed test shows the logs of its servers")]
fn report(log: &str) {
    eprintln!("--- log of VictoriaLogs:\n{log}---");
}

fn size(path: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}
