//! The agents of the cluster, asked by the product's own commands.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{AGENTS, Cluster};
use crate::browser::{Page, browse};
use crate::product::Answer;
use crate::{agent, wait};

/// The label of an agent's pod that names its node.
const OF_NODE: &str = "scenarios/node";

/// A finding as `flow-observer findings --all-nodes -o json` prints it.
pub type Finding = Value;

impl Cluster {
    /// Runs `flow-observer` as a user with the administrator's kubeconfig. A failure of the command is no error.
    ///
    /// # Errors
    /// Fails when the program can't be started.
    pub fn ask(&self, args: &[&str]) -> Result<Answer> {
        let mut command = Command::new(agent::binary()?);
        let output = command.args(args).env("KUBECONFIG", self.kubeconfig()).stdin(Stdio::null()).output()?;
        Ok(Answer {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Lets a browser look for what the page of the whole cluster has to show of a story.
    ///
    /// # Errors
    /// Fails as [`Page::start`] and [`browse`] do.
    pub fn browse(&self, story: &str) -> Result<()> {
        let page = Page::start(&[], |ui| ui.env("KUBECONFIG", self.kubeconfig()).spawn())?;
        browse(None, story, &page.address)
    }

    /// Returns the agents' pods.
    ///
    /// # Errors
    /// Fails as [`Self::kubectl`] does.
    pub fn agents(&self) -> Result<Vec<Value>> {
        self.list(&format!("pods -n {AGENTS} -l app.kubernetes.io/name=flow-observer"))
    }

    /// Gives each agent's pod its node as a label, so that [`Self::ask_on`] finds it.
    ///
    /// # Errors
    /// Fails as [`Self::kubectl`] does.
    pub fn label_agents(&self) -> Result<()> {
        for pod in self.agents()? {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (name, node) = (text(&pod["metadata"]["name"]), text(&pod["spec"]["nodeName"]));
            self.kubectl(&format!("-n {AGENTS} label --overwrite pod {name} {OF_NODE}={node}"))?;
        }
        Ok(())
    }

    /// Asks only the agent of one node, after [`Self::label_agents`].
    ///
    /// # Errors
    /// Fails as [`Self::ask`] does.
    pub fn ask_on(&self, node: &str, args: &[&str]) -> Result<Answer> {
        let selector = format!("{OF_NODE}={node}");
        self.ask(&[args, &["--all-nodes", "--agent-selector", &selector]].concat())
    }

    /// Returns what a command prints, as JSON values, one a line.
    ///
    /// # Errors
    /// Fails when the command does, or prints other than JSON.
    pub fn values(&self, args: &[&str]) -> Result<Vec<Value>> {
        let answer = self.ask(&[args, &["--all-nodes", "-o", "json"]].concat())?;
        anyhow::ensure!(answer.code == Some(0), "{args:?}: {:?}: {}", answer.code, answer.stderr);
        answer.stdout.lines().map(|line| serde_json::from_str(line).context("no JSON")).collect()
    }

    /// Returns the findings with a side in `namespace`, active and resolved.
    ///
    /// # Errors
    /// Fails as [`Self::values`] does.
    pub fn findings(&self, namespace: &str) -> Result<Vec<Finding>> {
        self.values(&["findings", "--namespace", namespace])
    }

    /// Waits for a finding of a kind and state in `namespace` that `wanted` accepts.
    ///
    /// # Errors
    /// Fails when there is none within `patience`; the message lists those that there are.
    pub fn wait_finding(
        &self,
        namespace: &str,
        (kind, state): (&str, &str),
        patience: Duration,
        wanted: impl Fn(&Finding) -> bool,
    ) -> Result<Finding> {
        let what = format!("a finding {kind} ({state}) of {namespace}");
        let found = wait::until(&what, patience, || {
            let findings = self.findings(namespace).ok()?;
            findings.into_iter().find(|f| f["kind"] == kind && f["state"] == state && wanted(f))
        });
        found.with_context(|| self.list_of_findings(namespace))
    }

    /// Waits until `namespace` has no finding of a kind and state any more.
    ///
    /// # Errors
    /// Fails when there still is one after `patience`; the message lists all.
    pub fn wait_no_finding(
        &self,
        namespace: &str,
        (kind, state): (&str, &str),
        patience: Duration,
    ) -> Result<()> {
        let gone = wait::until(&format!("no finding {kind} ({state}) of {namespace}"), patience, || {
            let findings = self.findings(namespace).ok()?;
            (!findings.iter().any(|f| f["kind"] == kind && f["state"] == state)).then_some(())
        });
        gone.with_context(|| self.list_of_findings(namespace))
    }

    fn list_of_findings(&self, namespace: &str) -> String {
        match self.findings(namespace) {
            Ok(findings) => findings.iter().fold("there are:".to_owned(), |text, f| format!("{text}\n  {f}")),
            Err(error) => format!("{error:#}"),
        }
    }
}
