//! The types of settings and how their texts are parsed. Flags, environment and file share these parsers.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use flow_model::inventory::Inventory;
use flow_model::network::Enforcer;
use jiff::SignedDuration;

use crate::duration;

/// The source from which the agent gets pods, Services and policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterSource {
    /// The API server.
    Kube,
    /// A directory or file of Kubernetes objects.
    Dir(PathBuf),
    /// No source: addresses have no names.
    None,
}

impl FromStr for ClusterSource {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "kube" => Ok(Self::Kube),
            "none" => Ok(Self::None),
            _ => match s.strip_prefix("dir:") {
                Some(path) if !path.is_empty() => Ok(Self::Dir(path.into())),
                _ => Err("expected `kube`, `none` or `dir:PATH`".into()),
            },
        }
    }
}

impl fmt::Display for ClusterSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kube => f.write_str("kube"),
            Self::Dir(path) => write!(f, "dir:{}", path.display()),
            Self::None => f.write_str("none"),
        }
    }
}

/// Names the enforcer by whose rules verdicts are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EnforcerChoice {
    /// The one that the cluster's objects show; the specification where they show none
    #[default]
    Auto,
    /// None: the specification of NetworkPolicy decides
    Spec,
    /// kube-router, which is part of k3s
    KubeRouter,
}

impl EnforcerChoice {
    /// Returns the enforcer, unless the objects are to show it.
    #[must_use]
    pub fn chosen(self) -> Option<Enforcer> {
        match self {
            Self::Auto => None,
            Self::Spec => Some(Enforcer::Spec),
            Self::KubeRouter => Some(Enforcer::KubeRouter),
        }
    }

    /// Returns the inventory with the enforcer that was chosen.
    #[must_use]
    pub fn over(self, inventory: Arc<Inventory>) -> Arc<Inventory> {
        match self.chosen() {
            Some(enforcer) if enforcer != inventory.enforcer => {
                Arc::new(Inventory { enforcer, ..Inventory::clone(&inventory) })
            }
            _ => inventory,
        }
    }
}

/// Chooses the group of the packet log in which the enforcer's lines are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnforcerLogChoice {
    /// The group of this number.
    Group(u16),
    /// None is read.
    Off,
}

impl Default for EnforcerLogChoice {
    /// Returns the group of kube-router:
    /// <https://github.com/cloudnativelabs/kube-router/blob/v2.1.0/pkg/controllers/netpol/pod.go>.
    fn default() -> Self {
        Self::Group(100)
    }
}

impl FromStr for EnforcerLogChoice {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "off" => Ok(Self::Off),
            _ => s.parse().map(Self::Group).map_err(|_| "expected `off` or a group from 0 to 65535".into()),
        }
    }
}

impl fmt::Display for EnforcerLogChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => group.fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

/// Decides who may use `/api`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum AuthMode {
    /// Everybody on a loopback listener; else as `kube` with `--cluster kube`, else as `token`
    Auto,
    /// Everybody
    None,
    /// Users whose bearer token and request the API server accepts: TokenReview and SubjectAccessReview
    Kube,
    /// Users with a token of --token-file
    Token,
}

/// The log level of the kernel programs. The numbers are those of `aya_log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProbeLog {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Returns the size of the event ring.
pub(super) fn ring_bytes(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(bytes) if bytes >= 4096 && bytes.is_power_of_two() => Ok(bytes),
        _ => Err("expected a power of two of at least 4096".into()),
    }
}

/// Returns the burst window, which is counted in whole seconds.
pub(super) fn burst_window(text: &str) -> Result<SignedDuration, String> {
    let window = duration::parse(text)?;
    if window.subsec_nanos() == 0 && (1..=300).contains(&window.as_secs()) {
        return Ok(window);
    }
    Err("expected whole seconds, from 1s to 5m".into())
}

/// Returns a waiting time for the API server. A shorter one would make the agent flood it with requests.
pub(super) fn kube_time(text: &str) -> Result<SignedDuration, String> {
    let time = duration::parse(text)?;
    if time >= SignedDuration::from_secs(1) { Ok(time) } else { Err("expected 1s or more".into()) }
}
