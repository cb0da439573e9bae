//! Waits for the agent's findings.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::agent::Agent;
use crate::wait;

/// The time that a finding gets. A missing answer alone is known only after 5 s.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The number of lines in each part of a failure's report.
const SHOWN: usize = 40;

impl Agent {
    /// Returns the findings of `/api/v1/findings`, active and resolved.
    ///
    /// # Errors
    /// Fails when the agent doesn't answer, or its answer has no list of findings.
    pub fn findings(&self) -> Result<Vec<Value>> {
        let mut body: Value = serde_json::from_str(&self.get_ok("/api/v1/findings")?)?;
        serde_json::from_value(body["findings"].take()).context("`findings` is no list")
    }

    /// Returns the findings of a kind and state.
    ///
    /// # Errors
    /// Fails as [`Self::findings`] does.
    pub fn findings_of(&self, kind: &str, state: &str) -> Result<Vec<Value>> {
        let mut found = self.findings()?;
        found.retain(|f| f["kind"] == kind && f["state"] == state);
        Ok(found)
    }

    /// Waits for a finding of a kind and state that `wanted` accepts.
    ///
    /// # Errors
    /// Fails when no such finding arrives within [`PATIENCE`]; the message lists the findings and attempts.
    pub fn wait_finding(&self, kind: &str, state: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.provoke(kind, state, || {}, wanted)
    }

    /// Waits for a finding, and repeats an action before each look.
    ///
    /// # Errors
    /// Fails as [`Self::wait_finding`] does.
    pub fn provoke(
        &self,
        kind: &str,
        state: &str,
        mut act: impl FnMut(),
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let what = format!("a finding {kind} ({state})");
        wait::until(&what, PATIENCE, || {
            act();
            self.findings_of(kind, state).ok()?.into_iter().find(|f| wanted(f))
        })
        .with_context(|| self.shown_findings())
    }

    /// Returns everything that helps to see why a finding isn't as expected.
    #[must_use]
    pub fn shown_findings(&self) -> String {
        let mut report = String::from("findings:");
        list(&mut report, self.findings());
        report.push_str("\nnewest attempts:");
        list(&mut report, self.flows("kind=attempt"));
        report
    }
}

fn list(report: &mut String, values: Result<Vec<Value>>) {
    match values {
        Ok(values) => {
            for value in values.iter().rev().take(SHOWN).rev() {
                write!(report, "\n  {value}").unwrap_or_default();
            }
        }
        Err(error) => write!(report, " {error:#}").unwrap_or_default(),
    }
}

/// Returns a finding's sentence.
#[must_use]
pub fn summary(finding: &Value) -> &str {
    finding["summary"].as_str().unwrap_or_default()
}

/// Is true when a text of a finding or record has all of `parts`.
#[must_use]
pub fn says(text: &Value, parts: &[&str]) -> bool {
    text.as_str().is_some_and(|text| parts.iter().all(|part| text.contains(part)))
}

#[cfg(test)]
mod tests;
