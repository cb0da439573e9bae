//! The agents, installed by the documented steps.

use anyhow::Result;

use super::Cluster;

/// The agents' namespace.
pub const AGENTS: &str = "flow-observer";
/// The agents' DaemonSet, as kubectl takes it.
pub const DAEMONSET: &str = "daemonset/flow-observer";

/// Returns the directory of an overlay that ships.
#[must_use]
pub fn overlay(name: &str) -> String {
    format!("{}/../deploy/overlays/{name}", env!("CARGO_MANIFEST_DIR"))
}

impl Cluster {
    /// Installs the agents, or brings back what a scenario changed of them, and waits until all are Ready.
    ///
    /// # Errors
    /// Fails as [`Self::kubectl`] does.
    pub fn install_agents(&self) -> Result<()> {
        self.kubectl(&format!("apply -k {}", overlay("k3s")))?;
        self.rolled_out(AGENTS, DAEMONSET)
    }

    /// Installs the agents unless they run.
    ///
    /// # Errors
    /// Fails as [`Self::kubectl`] does.
    pub fn ensure_agents(&self) -> Result<()> {
        if self.kubectl(&format!("-n {AGENTS} get {DAEMONSET}")).is_err() {
            return self.install_agents();
        }
        self.rolled_out(AGENTS, DAEMONSET)
    }

    /// Does nothing, for scenarios that need nothing but the cluster.
    ///
    /// # Errors
    /// Never fails.
    pub fn as_it_is(&self) -> Result<()> {
        Ok(())
    }
}
