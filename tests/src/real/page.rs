//! Pages of one agent, asked on its own node: the API server may be away.

use anyhow::{Context as _, Result};

use super::Cluster;
use crate::http::{self, Response};

impl Cluster {
    /// Gets a page of the agent on a node, whatever its status.
    ///
    /// # Errors
    /// Fails when the agent doesn't answer.
    pub fn page(&self, node: &str, path: &str) -> Result<Response> {
        // A client that closes its side after the question, as `nc` does, has left as far as an HTTP server knows, and may
        // get no answer.
        let open = "exec 3<>/dev/tcp/127.0.0.1/9477";
        let ask = format!("{open}; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3; timeout 10 cat <&3");
        let answer = self.on(node, &format!("bash -ec \"{ask}\""))?;
        http::parse(answer.as_bytes()).with_context(|| format!("{path} of {node}"))
    }

    /// Returns the value of a metric of the agent on a node, by its name with labels.
    #[must_use]
    pub fn metric(&self, node: &str, series: &str) -> Option<f64> {
        let page = self.page(node, "/metrics").ok()?;
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.trim().parse().ok();
        page.body.lines().find_map(value)
    }

    /// Returns the number of objects of a kind that the agent on a node knows.
    #[must_use]
    pub fn known(&self, node: &str, kind: &str) -> Option<f64> {
        self.metric(node, &format!("flow_observer_cluster_objects{{kind=\"{kind}\"}}"))
    }

    /// Is true when the agent on a node has everything of a kind.
    #[must_use]
    pub fn synced(&self, node: &str, kind: &str) -> Option<bool> {
        Some(self.metric(node, &format!("flow_observer_cluster_synced{{kind=\"{kind}\"}}"))? == 1.0)
    }
}
