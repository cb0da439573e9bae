//! The load-balancer addresses, as the agents see them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Cluster;
use crate::wait;

impl Cluster {
    /// Returns an address as every agent sees it: `claimant`, `moves`, `api`, and what else `flow-observer vips` has.
    ///
    /// # Errors
    /// Fails when the agents don't answer, or know no such address.
    pub fn vip(&self, ip: &str) -> Result<Vec<Value>> {
        let vips = self.values(&["vips"])?;
        Ok(vips.into_iter().filter(|vip| vip["ip"] == ip).collect())
    }

    /// Waits until all agents see the same node announce the address, and `wanted` accepts it; returns its name.
    ///
    /// # Errors
    /// Fails when that takes longer than `patience`; the message has what they see.
    pub fn wait_claimant(
        &self,
        ip: &str,
        patience: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String> {
        wait::until(&format!("one claimant of {ip}"), patience, || {
            let seen = self.vip(ip).ok()?;
            let mut nodes: Vec<&str> =
                seen.iter().map(|vip| vip["claimant"]["node"].as_str().unwrap_or("-")).collect();
            nodes.dedup();
            let [node] = nodes[..] else { return None };
            (node != "-" && wanted(node)).then(|| node.to_owned())
        })
        .with_context(|| format!("{:?}", self.vip(ip)))
    }
}
