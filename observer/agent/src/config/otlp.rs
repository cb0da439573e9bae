//! The settings of the history that goes to a log engine.

use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;

use crate::duration;
use crate::otlp::{self, BaseUrl, Headers, Pairs, Url};

/// Holds the settings of the history.
#[derive(Args, Clone, Debug)]
pub struct OtlpOptions {
    /// Send the history to this OTLP/HTTP endpoint: findings, failed attempts, resets, drops, VIPs, changes of policies, and
    /// established connections by pair and minute. Logs are posted to URL/v1/logs [default: nothing is sent]
    #[arg(long, value_name = "URL", env = "FLOW_OBSERVER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<BaseUrl>,
    /// The same with the whole URL to which logs are posted; it takes precedence
    #[arg(long, value_name = "URL", env = "FLOW_OBSERVER_OTLP_LOGS_ENDPOINT")]
    pub otlp_logs_endpoint: Option<Url>,
    /// Headers of these requests: NAME=VALUE,..., percent-encoded. Secrets belong into the variable or into a file: everybody on
    /// the node can read a command line
    #[arg(long, value_name = "LIST", env = "FLOW_OBSERVER_OTLP_HEADERS", hide_env_values = true)]
    pub otlp_headers: Option<Pairs>,
    /// File with more of these headers, one `NAME: VALUE` a line; read again for each request
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_OTLP_HEADERS_FILE")]
    pub otlp_headers_file: Option<PathBuf>,
    /// CA that signed the endpoint's certificate, PEM [default: the system's]
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_OTLP_CA_FILE")]
    pub otlp_ca_file: Option<PathBuf>,
    /// Time limit of a request to the endpoint
    #[arg(long, value_name = "TIME", env = "FLOW_OBSERVER_OTLP_TIMEOUT", value_parser = duration::parse,
        default_value = duration::compact(SignedDuration::try_from(otlp::TIMEOUT).unwrap_or_default()))]
    pub otlp_timeout: SignedDuration,
    /// Size of the records that may wait for the endpoint; further ones are counted as lost
    #[arg(long, value_name = "BYTES", env = "FLOW_OBSERVER_OTLP_QUEUE_BYTES",
        value_parser = clap::value_parser!(u32).range(16_384..=1_073_741_824), default_value_t = otlp::QUEUE_BYTES)]
    pub otlp_queue_bytes: u32,
    /// More attributes of the resource that sends: NAME=VALUE,..., percent-encoded, such as k8s.cluster.name=production
    #[arg(long, value_name = "LIST", env = "FLOW_OBSERVER_OTLP_RESOURCE_ATTRIBUTES")]
    pub otlp_resource_attributes: Option<Pairs>,
    /// The time in which the established connections of a pair become one record, for tests
    #[arg(long, value_name = "TIME", hide = true, value_parser = duration::parse,
        default_value = duration::compact(SignedDuration::try_from(otlp::INTERVAL).unwrap_or_default()))]
    pub otlp_interval: SignedDuration,
}

impl OtlpOptions {
    /// Returns the settings of the sender, if there is an endpoint.
    #[must_use]
    pub fn settings(&self, node: &arcstr::ArcStr) -> Option<otlp::Settings> {
        let base = self.otlp_endpoint.as_ref().map(BaseUrl::logs);
        let url = self.otlp_logs_endpoint.clone().or(base)?;
        let fixed = self.otlp_headers.clone().unwrap_or_default();
        Some(otlp::Settings {
            url,
            headers: Headers { fixed, file: self.otlp_headers_file.clone() },
            ca_file: self.otlp_ca_file.clone(),
            timeout: self.otlp_timeout.unsigned_abs(),
            queue_bytes: usize::try_from(self.otlp_queue_bytes).unwrap_or(usize::MAX),
            interval: self.otlp_interval.unsigned_abs(),
            node: node.clone(),
            resource: self.otlp_resource_attributes.clone().unwrap_or_default().0,
        })
    }
}
