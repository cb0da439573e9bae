//! The lines about the agent that runs on this node: whether it is ready, and what it can't see.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use tokio::time::timeout;

use crate::client::fleet::FleetArgs;
use crate::client::print::printable;
use crate::client::target::Target;
use crate::default_address::ADDRESS;
use crate::probes::host::{Check, Status};

/// The name of the line about the agent as a whole.
pub(super) const AGENT: &str = "live agent";
/// The name of the line about one blind spot.
const BLIND: &str = "blind spot";

const ASK: &str = "what an agent can't see is not known; if one runs, name it with --url (and --ca-file)";
const ASK_AGAIN: &str =
    "check the address, and whether the agent runs: kubectl -n flow-observer get pods -o wide";
/// The longest wait for the agent. The other lines don't depend on it.
const PATIENCE: Duration = Duration::from_secs(5);
const WAIT: &str = "if it stays so, the agent's log and docs/TROUBLESHOOTING.md name the cause";
const MEND: &str = "connections there may be missing from everything that the agent reports";

/// Holds the options that name the agent to ask.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Agent")]
pub(in crate::commands) struct LiveArgs {
    /// The agent to ask what it can't see. With --all-nodes all are asked, and nothing of this machine is checked [default: the one on the address of --listen]
    #[arg(long, env = "FLOW_OBSERVER_URL")]
    url: Option<String>,
    /// The address on which the agent of this node listens, as for `run`
    #[arg(long, value_name = "ADDR", env = "FLOW_OBSERVER_LISTEN", default_value_t = ADDRESS)]
    listen: SocketAddr,
    /// The agent serves HTTPS on the address of --listen if it has this certificate, as for `run`
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::commands) fleet: FleetArgs,
}

/// The answer of `/readyz`. Reasons are text, so that an agent of another version is understood too.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    ready: bool,
    #[serde(default)]
    pending: Vec<String>,
    #[serde(default)]
    stale: BTreeMap<String, String>,
    #[serde(default)]
    blind_spots: Vec<Blind>,
}

#[derive(Debug, Deserialize)]
struct Blind {
    reason: String,
    place: String,
    why: String,
}

impl LiveArgs {
    /// Asks the agent, and returns its lines. Where none answers, one line says so: a failure if it was named, since there
    /// need not be one on this node.
    pub(super) async fn checks(&self) -> Vec<Check> {
        let named = self.url.is_some();
        let target = match Target::new(&self.address(), &self.fleet.connect) {
            Ok(target) => target,
            Err(error) => return vec![Check { advice: None, ..unasked(named, &error.to_string()) }],
        };
        asked(&target).await.unwrap_or_else(|why| vec![unasked(named, &why)])
    }

    fn address(&self) -> String {
        let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
        self.url.clone().unwrap_or_else(|| format!("{scheme}://{}", reachable(self.listen)))
    }
}

fn unasked(named: bool, why: &str) -> Check {
    match named {
        true => Check { status: Status::Fail, ..warn(AGENT, why, ASK_AGAIN) },
        false => warn(AGENT, why, ASK),
    }
}

/// Asks an agent, and returns its lines.
///
/// # Errors
/// Fails with the reason when it does not answer.
pub(super) async fn asked(target: &Target) -> Result<Vec<Check>, String> {
    match timeout(PATIENCE, target.answer("/readyz")).await {
        Ok(Ok(body)) => lines(target.url(), &body),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => {
            Err(format!("what listens at {} did not answer within {} s", target.url(), PATIENCE.as_secs()))
        }
    }
}

/// Returns the address at which a listener on all addresses is reached from its own host.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn lines(url: &str, body: &[u8]) -> Result<Vec<Check>, String> {
    let answer = read(body).ok_or_else(|| format!("what answers at {url} is no Flow Observer agent"))?;
    let mut checks = vec![agent(url, &answer)];
    checks.extend(
        answer.stale.iter().map(|(what, why)| warn(AGENT, &format!("{what} is out of date: {why}"), WAIT)),
    );
    checks.extend(
        answer
            .blind_spots
            .iter()
            .map(|blind| warn(BLIND, &format!("{} ({}): {}", blind.reason, blind.place, blind.why), MEND)),
    );
    Ok(checks)
}

fn read(body: &[u8]) -> Option<Answer> {
    if body == b"ready\n" {
        return Some(Answer { ready: true, ..Answer::default() });
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    (answer.ready || !answer.pending.is_empty()).then_some(answer)
}

fn agent(url: &str, answer: &Answer) -> Check {
    if !answer.ready {
        let found = format!("the agent at {url} is not ready: it waits for {}", answer.pending.join(", "));
        return warn(AGENT, &found, WAIT);
    }
    let sight = match answer.blind_spots.len() {
        0 => "it knows of no blind spot",
        _ => "it can't see everything, as follows",
    };
    Check {
        name: AGENT,
        status: Status::Ok,
        found: printable(&format!("the agent at {url} is ready; {sight}")),
        advice: None,
    }
}

pub(super) fn warn(name: &'static str, found: &str, advice: &'static str) -> Check {
    Check { name, status: Status::Warn, found: printable(found), advice: Some(advice) }
}

#[cfg(test)]
mod tests;
