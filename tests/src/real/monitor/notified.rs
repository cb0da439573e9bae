//! What somebody on call has been sent.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;

use super::{Monitor, PATIENCE};
use crate::wait;

/// The labels that tell alerts of one name apart.
type Labels = BTreeMap<String, String>;

/// One alert, and how often its beginning was notified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notified {
    pub name: String,
    /// `severity`, the sides, the VIP.
    pub labels: Labels,
    /// One for each time that it began.
    pub began: Vec<String>,
    /// Has it ended by now?
    pub is_over: bool,
}

impl Monitor<'_> {
    /// Returns what was notified, each alert once, in the order of the first notifications. Alerts that began before every
    /// agent was scraped don't count.
    #[must_use]
    pub fn notified(&self) -> Vec<Notified> {
        let mut all: Vec<Notified> = Vec::new();
        for alert in self.webhook.received().iter().filter(|alert| began(alert) >= self.since) {
            record(&mut all, alert);
        }
        all
    }

    /// Waits until every alert that was notified has ended, and checks that alerts of these names were, and no other but
    /// those that may be.
    ///
    /// # Errors
    /// Fails when an alert doesn't end within 90 s, or other alerts were notified; the message has all.
    pub fn notified_exactly(&self, names: &[&str], may_be: &[&str]) -> Result<()> {
        let ended = || self.notified().iter().all(|alert| alert.is_over).then_some(());
        wait::until("the end of every alert", PATIENCE, ended)
            .with_context(|| format!("{:#?}", self.notified()))?;
        let notified = self.notified();
        let found = notified.iter().map(|alert| alert.name.as_str());
        let found: BTreeSet<&str> = found.filter(|name| !may_be.contains(name)).collect();
        let wanted: BTreeSet<&str> = names.iter().copied().collect();
        ensure!(found == wanted, "notified: {found:?}, expected: {wanted:?}: {notified:#?}");
        Ok(())
    }

    /// Checks that no two notified alerts have one name, and that none began again.
    ///
    /// # Errors
    /// Fails when one did; the message has it.
    pub fn each_notified_once(&self) -> Result<()> {
        let mut names = BTreeSet::new();
        for alert in self.notified() {
            ensure!(alert.began.len() == 1 && names.insert(alert.name.clone()), "notified again: {alert:#?}");
        }
        Ok(())
    }
}

/// Returns when an alert began. One that doesn't say so counts.
fn began(alert: &Value) -> Timestamp {
    alert["startsAt"].as_str().and_then(|time| time.parse().ok()).unwrap_or(Timestamp::MAX)
}

fn record(all: &mut Vec<Notified>, alert: &Value) {
    let mut labels: Labels = serde_json::from_value(alert["labels"].clone()).unwrap_or_default();
    let name = labels.remove("alertname").unwrap_or_default();
    let began = alert["startsAt"].as_str().unwrap_or_default().to_owned();
    let is_over = alert["status"] == "resolved";
    match all.iter_mut().find(|known| known.name == name && known.labels == labels) {
        Some(known) => {
            known.is_over = is_over;
            if !known.began.contains(&began) {
                known.began.push(began);
            }
        }
        None => all.push(Notified { name, labels, began: vec![began], is_over }),
    }
}

#[cfg(test)]
mod tests;
