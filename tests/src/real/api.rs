//! The cluster's API, through its own kubectl.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Cluster, captured, succeeded};
use crate::wait;

/// The time that Kubernetes gets to start or to end pods on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

impl Cluster {
    /// Returns kubectl as administrator, with these words; quotes have no meaning.
    #[must_use]
    pub fn kubectl_command(&self, words: &str) -> Command {
        let mut kubectl = Command::new(self.dir.join("bin/kubectl"));
        kubectl.arg("--kubeconfig").arg(self.kubeconfig()).args(words.split_whitespace());
        kubectl
    }

    /// Runs kubectl with these words and returns its standard output.
    ///
    /// # Errors
    /// Fails when kubectl does; the message holds its standard error.
    pub fn kubectl(&self, words: &str) -> Result<String> {
        let mut kubectl = self.kubectl_command(words);
        captured(kubectl.stdin(Stdio::null())).with_context(|| format!("kubectl {words}"))
    }

    /// Runs kubectl with a manifest on its standard input.
    ///
    /// # Errors
    /// Fails as [`Self::kubectl`] does.
    pub fn feed(&self, words: &str, manifest: &str) -> Result<String> {
        let mut kubectl = self.kubectl_command(words);
        let mut child =
            kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // kubectl that fails at once closes its end; its message is more useful than EPIPE.
            stdin.write_all(manifest.as_bytes()).unwrap_or_default();
        }
        succeeded(&child.wait_with_output()?).with_context(|| format!("kubectl {words} <<\n{manifest}"))
    }

    /// Applies a manifest.
    ///
    /// # Errors
    /// Fails as [`Self::kubectl`] does.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        self.feed("apply -f -", manifest).map(drop)
    }

    /// Returns an object, or a list of objects.
    ///
    /// # Errors
    /// Fails as [`Self::kubectl`] does, and when the answer is no JSON.
    pub fn get(&self, words: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(&format!("get -o json {words}"))?)?)
    }

    /// Returns the items of a list.
    ///
    /// # Errors
    /// Fails as [`Self::get`] does.
    pub fn list(&self, words: &str) -> Result<Vec<Value>> {
        serde_json::from_value(self.get(words)?["items"].take()).context("a list without items")
    }

    /// Returns the addresses of the nodes on their LAN.
    ///
    /// # Errors
    /// Fails as [`Self::get`] does.
    pub fn node_addresses(&self) -> Result<Vec<String>> {
        let address = |node: &Value| {
            let addresses = node["status"]["addresses"].as_array()?;
            let internal = addresses.iter().find(|address| address["type"] == "InternalIP")?;
            internal["address"].as_str().map(str::to_owned)
        };
        Ok(self.list("nodes")?.iter().filter_map(address).collect())
    }

    /// Waits until a Deployment, StatefulSet or DaemonSet has been rolled out.
    ///
    /// # Errors
    /// Fails when that takes longer than [`PATIENCE`].
    pub fn rolled_out(&self, namespace: &str, what: &str) -> Result<()> {
        let seconds = PATIENCE.as_secs();
        self.kubectl(&format!("-n {namespace} rollout status {what} --timeout={seconds}s")).map(drop)
    }

    /// Returns the name of the first running pod that the labels select.
    ///
    /// # Errors
    /// Fails when there is none within [`PATIENCE`].
    pub fn pod(&self, namespace: &str, labels: &str) -> Result<Value> {
        let words = format!("pods -n {namespace} -l {labels} --field-selector=status.phase=Running");
        wait::until(&format!("a running pod {namespace}/{labels}"), PATIENCE, || {
            let pods = self.list(&words).ok()?;
            pods.into_iter().find(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        })
    }

    /// Deletes namespaces with everything in them, and waits until they are gone.
    ///
    /// # Errors
    /// Fails as [`Self::kubectl`] does.
    pub fn delete_namespaces(&self, names: &[&str]) -> Result<()> {
        let names = names.join(" ");
        self.kubectl(&format!("delete namespace {names} --ignore-not-found --timeout=90s")).map(drop)
    }
}
