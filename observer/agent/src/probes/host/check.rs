//! A check and its result.

use serde::Serialize;
use tracing::{debug, error, warn};

/// The result of a check, ordered from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Ok,
    /// The agent runs with fewer functions, or the check was not possible.
    Warn,
    /// The agent can't run.
    Fail,
}

/// Holds one line of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The name of what was checked.
    pub name: &'static str,
    /// The result.
    pub status: Status,
    /// A description of what was found.
    pub found: String,
    /// Explains what the result means and what to do about it, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<&'static str>,
}

impl Check {
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), advice: None }
    }

    pub(super) fn warn(name: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { name, status: Status::Warn, found: found.into(), advice: Some(advice) }
    }

    pub(super) fn fail(name: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { name, status: Status::Fail, found: found.into(), advice: Some(advice) }
    }

    /// Logs the check at the level of its status.
    pub fn log(&self) {
        let (name, found, advice) = (self.name, self.found.as_str(), self.advice.unwrap_or_default());
        match self.status {
            Status::Ok => debug!("{name}: {found}"),
            Status::Warn => warn!("{name}: {found}; {advice}"),
            Status::Fail => error!("{name}: {found}; {advice}"),
        }
    }
}

pub(super) const KERNEL: &str = "kernel";
pub(super) const CAPABILITIES: &str = "capabilities";
pub(super) const CLASSIFIERS: &str = "classifiers";
pub(super) const ATTACH: &str = "traffic control";
pub(super) const RING: &str = "ring buffer";
pub(super) const BTF: &str = "BTF";
pub(super) const NAMESPACES: &str = "drop namespaces";
pub(super) const RESETS: &str = "reset reasons";
pub(super) const ACCEPT_QUEUES: &str = "accept queues";
pub(super) const SOCKETS: &str = "sockets";
pub(super) const TRACEPOINTS: &str = "raw tracepoints";
pub(super) const LOCKDOWN: &str = "lockdown";
