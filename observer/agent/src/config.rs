//! The settings of `run`. Each is defined once, as a flag. Its environment variable and its key in the TOML file go through
//! the same parser, and the first source that has it counts: flag, environment, file, built-in default.

mod file;
mod otlp;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod values;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use flow_core::engine::EngineConfig;
use jiff::SignedDuration;

use self::values::{burst_window, kube_time, ring_bytes};
use crate::checks::spec::CheckSpec;
use crate::default_address::ADDRESS;
use crate::duration;
use crate::kube::server::Patience;
use crate::probes::{self, AttachMode};
use crate::sink::metrics::MetricsConfig;
use crate::sink::tail::TailConfig;

pub use self::file::{File, FileError};
pub use self::otlp::OtlpOptions;
pub use self::values::{AuthMode, ClusterSource, EnforcerChoice, EnforcerLogChoice, ProbeLog};

/// Holds every setting of the agent. The keys of the file are the flags' names with underscores.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Where pods, Services and policies come from: `kube`, `dir:PATH` (any mix of YAML and JSON objects, read again when it
    /// changes) or `none`
    #[arg(long, value_name = "SOURCE", env = "FLOW_OBSERVER_CLUSTER", default_value_t = ClusterSource::None)]
    pub cluster: ClusterSource,
    /// What enforces the NetworkPolicies: verdicts are what it does. `auto` knows k3s, kube-router, Calico and Cilium by their
    /// nodes and pods
    #[arg(long, value_enum, value_name = "NAME", env = "FLOW_OBSERVER_ENFORCER", default_value_t = EnforcerChoice::Auto)]
    pub enforcer: EnforcerChoice,
    /// Group of the packet log (NFLOG) to which the enforcer logs what it drops, or `off`. One program can read a group: while
    /// the agent does, `tcpdump -i nflog:100` and ulogd can't
    #[arg(long, value_name = "GROUP", env = "FLOW_OBSERVER_ENFORCER_LOG", default_value_t = EnforcerLogChoice::default())]
    pub enforcer_log: EnforcerLogChoice,
    /// Kubeconfig for `--cluster kube` [default: the pod's ServiceAccount, then $KUBECONFIG and ~/.kube/config]
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Don't report findings as Kubernetes Events; only agents with `--cluster kube` report them
    #[arg(long, env = "FLOW_OBSERVER_NO_KUBE_EVENTS")]
    pub no_kube_events: bool,
    /// Longest wait before a request to the API server that failed, was forbidden or found nothing is repeated
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_KUBE_RETRY", value_parser = kube_time,
        default_value = duration::compact(Patience::default().retry))]
    pub kube_retry: SignedDuration,
    /// Time without a message from the API server after which a watch is opened again on a new connection
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_KUBE_SILENCE", value_parser = kube_time,
        default_value = duration::compact(Patience::default().silence))]
    pub kube_silence: SignedDuration,
    /// Name of this node, as the cluster knows it [default: the host's name]
    #[arg(long, value_name = "NAME", env = "FLOW_OBSERVER_NODE_NAME")]
    pub node_name: Option<String>,
    /// Interface that leads out of the node; may be given several times. Where all have a plus (+eth1), they are added to those
    /// that are found [default: those with a default route of any table or an address of the Node or of flannel, and those by
    /// which a VXLAN device sends]
    #[arg(long = "uplink", value_name = "IFACE", env = "FLOW_OBSERVER_UPLINK", value_delimiter = ',')]
    pub uplink: Vec<String>,
    /// Address of the HTTP API
    #[arg(long, value_name = "ADDR", env = "FLOW_OBSERVER_LISTEN", default_value_t = ADDRESS)]
    pub listen: SocketAddr,
    /// Who may use /api; /, /metrics, /healthz, /readyz, /openapi.json and /runbooks/NAME are always open to everybody
    #[arg(long, value_enum, value_name = "MODE", env = "FLOW_OBSERVER_AUTH", default_value_t = AuthMode::Auto)]
    pub auth: AuthMode,
    /// Accepted bearer tokens, one per line; read again when the file changes
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate chain for HTTPS, PEM; read again when the file changes. Needs --tls-key
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Record the engine's input in FILE, for `replay` and bug reports
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_RECORD")]
    pub record: Option<PathBuf>,
    /// How programs are attached to interfaces
    #[arg(long, value_enum, value_name = "MODE", env = "FLOW_OBSERVER_ATTACH", default_value_t = AttachMode::Auto)]
    pub attach: AttachMode,
    /// Pairs that the kernel can count in half a second; further ones are counted together
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_PAIR_MAP_ENTRIES",
        value_parser = clap::value_parser!(u32).range(1..=4_194_304),
        default_value_t = probes::Settings::default().pair_entries)]
    pub pair_map_entries: u32,
    /// Size of the event ring: a power of two, at least a page
    #[arg(long, value_name = "BYTES", env = "FLOW_OBSERVER_RING_BYTES", value_parser = ring_bytes,
        default_value_t = probes::Settings::default().ring_bytes)]
    pub ring_bytes: u32,
    /// Directory on a bpffs (such as /sys/fs/bpf/flow-observer) in which maps and attachments are pinned: the kernel goes on
    /// counting while no agent runs, and the next agent takes over. `flow-observer cleanup` removes them
    #[arg(long, value_name = "DIR", env = "FLOW_OBSERVER_PIN_DIR")]
    pub pin_dir: Option<PathBuf>,
    /// Directory in which the agent keeps its counters, findings and changes of policies (such as /var/lib/flow-observer), so that
    /// the next one goes on from them
    #[arg(long, value_name = "DIR", env = "FLOW_OBSERVER_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// Attempts kept for `since`. Rarer records have rooms of their own
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_TAIL_RECORDS",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=16_777_216),
        default_value_t = TailConfig::default().max_records)]
    pub tail_records: usize,
    /// Series of pairs kept in /metrics; further ones fold into `_other`
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_MAX_SERIES",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000),
        default_value_t = MetricsConfig::default().max_series)]
    pub max_series: usize,
    /// Longest time that firewalls may lag behind a new pod or a changed policy before a contradiction is a finding.
    /// Once the agent has measured several lags on its node, it waits three times the longest of them instead, but at
    /// least 5 s and never longer than this
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_ENFORCEMENT_GRACE", value_parser = duration::parse,
        default_value = duration::compact(EngineConfig::default().enforcement.grace))]
    pub enforcement_grace: SignedDuration,
    /// Findings without new evidence for this long are resolved
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_RESOLVE_AFTER", value_parser = duration::parse,
        default_value = duration::compact(EngineConfig::default().findings.quiet))]
    pub resolve_after: SignedDuration,
    /// Load-balancer address that no Service names; may be given several times
    #[arg(long = "vip", value_name = "IP", env = "FLOW_OBSERVER_VIP", value_delimiter = ',')]
    pub vip: Vec<IpAddr>,
    /// Number of moves of a VIP within the flap window that make a flap
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_FLAP_MOVES",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=64),
        default_value_t = EngineConfig::default().vips.flap_moves)]
    pub flap_moves: usize,
    /// The flap window
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_FLAP_WINDOW", value_parser = duration::parse,
        default_value = duration::compact(EngineConfig::default().vips.flap_window))]
    pub flap_window: SignedDuration,
    /// Number of resets of open connections to a server within the burst window that make a burst, unless as many are usual
    /// for that server
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_BURST_FLOOR", value_parser = clap::value_parser!(u32).range(1..),
        default_value_t = EngineConfig::default().bursts.floor)]
    pub burst_floor: u32,
    /// The burst window: whole seconds, at most 5m
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_BURST_WINDOW", value_parser = burst_window,
        default_value = duration::compact(EngineConfig::default().bursts.window))]
    pub burst_window: SignedDuration,
    /// Number of SYNs a second to a server, neither completed nor repeated, that make a SYN flood
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_FLOOD_RATE", value_parser = clap::value_parser!(u32).range(1..),
        default_value_t = EngineConfig::default().floods.rate)]
    pub flood_rate: u32,
    /// Number of closed ports or hosts that one source tries within a minute that make a port scan
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_SCAN_TARGETS",
        value_parser = RangedU64ValueParser::<usize>::new().range(2..=1_000),
        default_value_t = EngineConfig::default().scans.targets)]
    pub scan_targets: usize,
    /// Log level of the kernel programs, for debugging them
    #[arg(long, value_enum, value_name = "LEVEL", env = "FLOW_OBSERVER_PROBE_LOG", default_value_t = ProbeLog::Off)]
    pub probe_log: ProbeLog,
    #[command(flatten)]
    pub otlp: OtlpOptions,
    /// Synthetic checks: the `[[check]]` tables, which exist only in the file.
    #[arg(skip)]
    pub check: Vec<CheckSpec>,
}
