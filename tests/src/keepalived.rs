//! Runs real keepalived: VRRP between nodes, with one process inside each node's namespace.

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::node::Node;
use crate::{netns, wait};

/// VRRP's number among IP protocols.
const VRRP: u8 = 112;

/// A running keepalived. Dropping it ends it.
#[derive(Debug)]
pub struct Keepalived {
    child: Child,
    ns: netns::Netns,
    vip: IpAddr,
    log: PathBuf,
}

impl Keepalived {
    /// Starts it on a node for an IPv4 address; `files` is a directory for its configuration, pids and log. Of several
    /// nodes the one with the highest priority has the address.
    ///
    /// # Errors
    /// Fails when keepalived isn't installed.
    pub fn start(node: &Node, vip: IpAddr, priority: u8, files: &Path) -> Result<Self> {
        ensure!(vip.is_ipv4(), "the lab's keepalived announces IPv4 addresses only");
        let file = |kind: &str| files.join(format!("keepalived-{}.{kind}", node.name));
        let log = file("log");
        fs::write(file("conf"), configuration(&node.name, vip, priority))?;
        let out = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new("keepalived");
        command
            .args(["--dont-fork", "--vrrp", "--dont-respawn", "--log-console", "--log-detail", "--no-syslog"])
            .arg("--use-file")
            .arg(file("conf"))
            // The pid files' usual places are one for the whole machine.
            .arg("--pid")
            .arg(file("pid"))
            .arg("--vrrp_pid")
            .arg(file("vrrp-pid"))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let child =
            node.ns.run(|| command.spawn()).context("start keepalived; `cargo xtask setup` installs it")?;
        Ok(Self { child, ns: node.ns.clone(), vip, log })
    }

    /// Is true when this node has the address.
    #[must_use]
    pub fn is_master(&self) -> bool {
        let addresses = self.ns.ip("-o addr show dev eth0").unwrap_or_default();
        addresses.contains(&format!(" {}/", self.vip))
    }

    /// Waits until this node has the address, or no longer has it.
    ///
    /// # Errors
    /// Fails when that doesn't happen in time; the message holds the log.
    pub fn wait_master(&self, master: bool) -> Result<()> {
        let what = format!("keepalived to be master: {master}");
        let done = || (self.is_master() == master).then_some(());
        wait::until(&what, wait::DEADLINE, done).with_context(|| self.log())
    }

    /// Returns its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Stops it with SIGTERM, so that it releases the address.
    ///
    /// # Errors
    /// Fails when keepalived does not end.
    pub fn stop(mut self) -> Result<()> {
        self.terminate().map(drop).with_context(|| self.log())
    }

    fn terminate(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGTERM)?;
        let child = &mut self.child;
        let ended = wait::until("keepalived to end", wait::DEADLINE, || child.try_wait().transpose())?;
        ended.context("wait for keepalived")
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if self.terminate().is_err() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
        if thread::panicking() {
            report(&self.log());
        }
    }
}

#[expect(clippy::print_stderr, reason = "a failed test shows the log of keepalived")]
fn report(log: &str) {
    eprintln!("--- keepalived's log:\n{log}---");
}

/// Drops VRRP between the nodes, so that each becomes master.
///
/// # Errors
/// Fails when iptables fails.
pub fn split(nodes: &[&Node]) -> Result<()> {
    rule("-I", nodes)
}

/// Removes a [`split`].
///
/// # Errors
/// Fails when the nodes are not split.
pub fn heal(nodes: &[&Node]) -> Result<()> {
    rule("-D", nodes)
}

fn rule(action: &str, nodes: &[&Node]) -> Result<()> {
    nodes.iter().try_for_each(|node| {
        node.iptables(node.ip4().into(), &format!("{action} INPUT -p {VRRP} -j DROP")).map(drop)
    })
}

/// Version 3 has intervals below a second. A master repeats its claim every second, as it does where switches forget.
fn configuration(router: &str, vip: IpAddr, priority: u8) -> String {
    format!(
        "global_defs {{
    router_id {router}
    vrrp_version 3
}}
vrrp_instance vip {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 0.1
    garp_master_delay 1
    garp_master_refresh 1
    virtual_ipaddress {{
        {vip}/32 dev eth0
    }}
}}
"
    )
}

#[cfg(test)]
mod tests;
