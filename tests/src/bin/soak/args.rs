//! `soak [--minutes N] [--pods N] [--churn N] [--rate N] [-o text|json]`

use std::time::Duration;

/// The length from which the load is that of a long run.
const LONG: u64 = 5;
/// Pods that come and go, in a long run and in a short one, which has to start them within seconds.
const PODS: [usize; 2] = [200, 40];

/// The command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) minutes: u64,
    /// Pods that exist at any time beside those of the load.
    pub(crate) pods: usize,
    /// Pods that are replaced in a second.
    pub(crate) churn: u64,
    /// Connections in a second of a burst.
    pub(crate) rate: u64,
    /// Print JSON instead of a table.
    pub(crate) json: bool,
}

const USAGE: &str = "usage: soak [--minutes N] [--pods N] [--churn N] [--rate N] [-o text|json]";
/// A node's addresses end there.
const MOST_PODS: u64 = 200;

impl Args {
    /// Reads the command line. An error is the text to print.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut minutes, mut pods, mut churn, mut rate, mut json) = (1, None, 5, 20_000, false);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("soak: {word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--minutes" => minutes = number(&value()?, 1..=24 * 60)?,
                "--pods" => pods = Some(number(&value()?, 1..=MOST_PODS)?),
                "--churn" => churn = number(&value()?, 1..=50)?,
                "--rate" => rate = number(&value()?, 100..=1_000_000)?,
                "-o" => match value()?.as_str() {
                    "json" => json = true,
                    "text" => json = false,
                    other => return Err(format!("soak: no output `{other}`\n{USAGE}")),
                },
                other => return Err(format!("soak: unknown argument `{other}`\n{USAGE}")),
            }
        }
        let usual = PODS[usize::from(minutes < LONG)];
        let pods = pods.map_or(usual, |pods| usize::try_from(pods).unwrap_or(usual));
        Ok(Self { minutes, pods, churn, rate, json })
    }

    /// Returns how long rounds are started.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(60 * self.minutes)
    }

    /// Returns the length of the load in a round. A long run has fewer and longer rounds.
    pub(crate) fn round(&self) -> Duration {
        Duration::from_secs(if self.minutes < LONG { 12 } else { 25 })
    }
}

fn number(text: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        format!("soak: `{text}` is not a number from {} to {}\n{USAGE}", range.start(), range.end())
    })
}

#[cfg(test)]
mod tests;
