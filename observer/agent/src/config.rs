//! Settings of `run`: flags, their environment twins, and a TOML file, in this order of precedence.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Deserializer};

use crate::checks::spec::{self, CheckSpec};
use crate::probes::AttachMode;

/// Where the agent learns of pods and Services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterSource {
    /// The API server.
    Kube,
    /// A directory or file of Kubernetes objects.
    Dir(PathBuf),
    /// Nowhere: addresses stay addresses.
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

impl<'de> Deserialize<'de> for ClusterSource {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Who may ask for `/api`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Nobody is asked on a loopback listener; else as `kube` with `--cluster kube`, else as `token`
    #[default]
    Auto,
    /// Everybody
    None,
    /// Whose bearer token the API server knows and permits the request: TokenReview and SubjectAccessReview
    Kube,
    /// Who has a token of --token-file
    Token,
}

/// The probes' own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeLog {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Every setting, each optional, so that one source can stand behind another. Keys of the file are the flags'
/// names with underscores.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Where pods, Services and policies come from: `kube`, `dir:PATH` (any mix of YAML and JSON objects,
    /// re-read when it changes) or `none` [default: none]
    #[arg(long, value_name = "SOURCE", env = "FLOW_OBSERVER_CLUSTER")]
    pub cluster: Option<ClusterSource>,
    /// How `--cluster kube` reaches the API server [default: the pod's ServiceAccount, then $KUBECONFIG and ~/.kube/config]
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Don't report findings as Kubernetes Events; only `--cluster kube` does
    #[arg(long, env = "FLOW_OBSERVER_NO_KUBE_EVENTS")]
    pub no_kube_events: bool,
    /// Longest wait before the API server is asked again for what failed, is forbidden or isn't there [default: 30s]
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_KUBE_RETRY", value_parser = kube_time)]
    #[serde(deserialize_with = "time_of_kube")]
    pub kube_retry: Option<Duration>,
    /// Silence after which the API server is asked for changes on a new connection [default: 90s]
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_KUBE_SILENCE", value_parser = kube_time)]
    #[serde(deserialize_with = "time_of_kube")]
    pub kube_silence: Option<Duration>,
    /// Name of this node, as the cluster knows it [default: the host's name]
    #[arg(long, value_name = "NAME", env = "FLOW_OBSERVER_NODE_NAME")]
    pub node_name: Option<String>,
    /// Interface that leads out of the node; may be given several times [default: those with a default route]
    #[arg(long = "uplink", value_name = "IFACE", env = "FLOW_OBSERVER_UPLINK", value_delimiter = ',')]
    pub uplink: Vec<String>,
    /// Address of the HTTP API [default: 127.0.0.1:9477]
    #[arg(long, value_name = "ADDR", env = "FLOW_OBSERVER_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Who may ask for /api; / and /metrics, /healthz, /readyz are open to everybody [default: auto]
    #[arg(long, value_enum, value_name = "MODE", env = "FLOW_OBSERVER_AUTH")]
    pub auth: Option<AuthMode>,
    /// Bearer tokens that count, one a line; read again when it changes
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate chain for HTTPS, PEM; read again when it changes. Needs --tls-key
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Write what the core is told to FILE, for `replay` and bug reports
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_RECORD")]
    pub record: Option<PathBuf>,
    /// How programs get onto interfaces [default: auto: TCX where the kernel has it]
    #[arg(long, value_enum, value_name = "MODE", env = "FLOW_OBSERVER_ATTACH")]
    #[serde(deserialize_with = "attach_mode")]
    pub attach: Option<AttachMode>,
    /// Pairs that the kernel can count in half a second; what is over is counted together [default: 16384]
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_PAIR_MAP_ENTRIES", value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub pair_map_entries: Option<u32>,
    /// Size of the event ring: a power of two, at least a page [default: 2097152]
    #[arg(long, value_name = "BYTES", env = "FLOW_OBSERVER_RING_BYTES", value_parser = ring_bytes)]
    pub ring_bytes: Option<u32>,
    /// Flow records kept for `since` [default: 65536]
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_TAIL_RECORDS", value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub tail_records: Option<u32>,
    /// Series of pairs kept in /metrics; what is over folds into `_other` [default: 2000]
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_MAX_SERIES", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_series: Option<u32>,
    /// How long firewalls may lag behind a new pod or a changed policy before a contradiction is a finding
    /// [default: 15s]
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_ENFORCEMENT_GRACE", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub enforcement_grace: Option<Duration>,
    /// Findings without news for this long are resolved [default: 10m]
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_RESOLVE_AFTER", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub resolve_after: Option<Duration>,
    /// Load-balancer address that no Service names; may be given several times
    #[arg(long = "vip", value_name = "IP", env = "FLOW_OBSERVER_VIP", value_delimiter = ',')]
    pub vip: Vec<IpAddr>,
    /// So many moves of a VIP within the flap window are a flap [default: 3]
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_FLAP_MOVES", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub flap_moves: Option<u32>,
    /// The flap window [default: 5m]
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_FLAP_WINDOW", value_parser = humantime::parse_duration)]
    #[serde(deserialize_with = "duration")]
    pub flap_window: Option<Duration>,
    /// So many resets of open connections to a server within the burst window are a burst, unless they are usual there
    /// [default: 5]
    #[arg(long, value_name = "N", env = "FLOW_OBSERVER_BURST_FLOOR", value_parser = clap::value_parser!(u32).range(1..))]
    pub burst_floor: Option<u32>,
    /// The burst window: whole seconds, at most 5m [default: 10s]
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_BURST_WINDOW", value_parser = burst_window)]
    #[serde(deserialize_with = "seconds_of_window")]
    pub burst_window: Option<Duration>,
    /// Log of the kernel programs, for debugging them [default: off]
    #[arg(long, value_enum, value_name = "LEVEL", env = "FLOW_OBSERVER_PROBE_LOG")]
    pub probe_log: Option<ProbeLog>,
    /// Synthetic checks: `[[check]]` tables, in the file only.
    #[arg(skip)]
    pub check: Vec<CheckSpec>,
}

fn ring_bytes(s: &str) -> Result<u32, String> {
    match s.parse::<u32>() {
        Ok(n) if n >= 4096 && n.is_power_of_two() => Ok(n),
        _ => Err("expected a power of two of at least 4096".into()),
    }
}

fn burst_window(s: &str) -> Result<Duration, String> {
    match humantime::parse_duration(s) {
        Ok(time) if time.subsec_nanos() == 0 && (1..=300).contains(&time.as_secs()) => Ok(time),
        Ok(_) => Err("expected whole seconds, from 1s to 5m".into()),
        Err(e) => Err(e.to_string()),
    }
}

/// A shorter time asks the API server again and again.
fn kube_time(s: &str) -> Result<Duration, String> {
    match humantime::parse_duration(s) {
        Ok(time) if time >= Duration::from_secs(1) => Ok(time),
        Ok(_) => Err("expected 1s or more".into()),
        Err(e) => Err(e.to_string()),
    }
}

fn time_of_kube<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    time(d, kube_time)
}

fn seconds_of_window<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    time(d, burst_window)
}

fn duration<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    time(d, |text| humantime::parse_duration(text).map_err(|e| e.to_string()))
}

fn time<'de, D: Deserializer<'de>>(
    d: D,
    parse: impl Fn(&str) -> Result<Duration, String>,
) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(d)?;
    parse(&text).map(Some).map_err(|e| serde::de::Error::custom(format!("`{text}`: {e}")))
}

fn attach_mode<'de, D: Deserializer<'de>>(d: D) -> Result<Option<AttachMode>, D::Error> {
    let name = String::deserialize(d)?;
    <AttachMode as clap::ValueEnum>::from_str(&name, false).map(Some).map_err(serde::de::Error::custom)
}

impl Options {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// When it can't be read or holds a key that is not a setting.
    pub fn from_file(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the config file {} can't be read", path.display()))?;
        Self::from_toml(&text).with_context(|| format!("the config file {} is not valid", path.display()))
    }

    fn from_toml(text: &str) -> anyhow::Result<Self> {
        let options: Self = toml::from_str(text)?;
        if let Some(n) = options.ring_bytes {
            ring_bytes(&n.to_string()).map_err(|e| anyhow::anyhow!("ring_bytes: {e}"))?;
        }
        if options.pair_map_entries == Some(0) {
            anyhow::bail!("pair_map_entries: must be at least 1");
        }
        if options.flap_moves.is_some_and(|n| !(1..=64).contains(&n)) {
            anyhow::bail!("flap_moves: must be from 1 to 64");
        }
        if options.burst_floor == Some(0) {
            anyhow::bail!("burst_floor: must be at least 1");
        }
        spec::validate(&options.check).map_err(anyhow::Error::msg)?;
        Ok(options)
    }

    /// Takes from `other` what is not set here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            cluster: self.cluster.or(other.cluster),
            kubeconfig: self.kubeconfig.or(other.kubeconfig),
            no_kube_events: self.no_kube_events || other.no_kube_events,
            kube_retry: self.kube_retry.or(other.kube_retry),
            kube_silence: self.kube_silence.or(other.kube_silence),
            node_name: self.node_name.or(other.node_name),
            uplink: if self.uplink.is_empty() { other.uplink } else { self.uplink },
            listen: self.listen.or(other.listen),
            auth: self.auth.or(other.auth),
            token_file: self.token_file.or(other.token_file),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            record: self.record.or(other.record),
            attach: self.attach.or(other.attach),
            pair_map_entries: self.pair_map_entries.or(other.pair_map_entries),
            ring_bytes: self.ring_bytes.or(other.ring_bytes),
            tail_records: self.tail_records.or(other.tail_records),
            max_series: self.max_series.or(other.max_series),
            enforcement_grace: self.enforcement_grace.or(other.enforcement_grace),
            resolve_after: self.resolve_after.or(other.resolve_after),
            vip: if self.vip.is_empty() { other.vip } else { self.vip },
            flap_moves: self.flap_moves.or(other.flap_moves),
            flap_window: self.flap_window.or(other.flap_window),
            burst_floor: self.burst_floor.or(other.burst_floor),
            burst_window: self.burst_window.or(other.burst_window),
            probe_log: self.probe_log.or(other.probe_log),
            check: if self.check.is_empty() { other.check } else { self.check },
        }
    }
}

#[cfg(test)]
mod check_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_before_the_file() {
        let file = Options::from_toml(
            "listen = \"127.0.0.1:1\"\nnode_name = \"file\"\ncluster = \"dir:/x\"\nattach = \"clsact\"\n\
             auth = \"token\"\ntoken_file = \"/t\"\ntls_cert = \"/c\"\ntls_key = \"/k\"",
        )
        .unwrap();
        let flags = Options { node_name: Some("flag".into()), ..Options::default() };
        let both = flags.or(file);
        assert_eq!(both.node_name.as_deref(), Some("flag"));
        assert_eq!(both.listen, Some("127.0.0.1:1".parse().unwrap()));
        assert_eq!(both.cluster, Some(ClusterSource::Dir("/x".into())));
        assert_eq!(both.attach, Some(AttachMode::Clsact));
        assert_eq!(both.auth, Some(AuthMode::Token));
        let files =
            [both.token_file, both.tls_cert, both.tls_key].map(|file| file.unwrap().display().to_string());
        assert_eq!(files, ["/t", "/c", "/k"]);
    }

    #[test]
    fn unknown_keys_and_bad_values_are_errors() {
        for (text, says) in [
            ("listne = \"127.0.0.1:1\"", "listne"),
            ("cluster = \"dir:\"", "dir:PATH"),
            ("ring_bytes = 5000", "power of two"),
            ("pair_map_entries = 0", "at least 1"),
            ("enforcement_grace = \"soon\"", "soon"),
            ("attach = \"xdp\"", "xdp"),
            ("auth = \"basic\"", "basic"),
            ("vip = [\"ten\"]", "ten"),
            ("flap_moves = 65", "64"),
            ("burst_floor = 0", "at least 1"),
            ("kube_retry = \"0s\"", "1s or more"),
            ("kube_silence = \"10ms\"", "1s or more"),
            ("burst_window = \"1500ms\"", "whole seconds"),
        ] {
            let error = format!("{:#}", Options::from_toml(text).unwrap_err());
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
