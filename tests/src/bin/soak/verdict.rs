//! Whether the agent endured.

use serde::Serialize;

use crate::args::Args;
use crate::round::Round;
use crate::sample::Sample;

/// Kinds of descriptors of which an agent holds the same number whenever it follows the same pods.
const EXACT: [&str; 3] = ["bpf_link", "bpf-map", "bpf-prog"];
/// Sockets that the end may have beyond the start: connections to the API server that are kept for the next request.
const SPARE_SOCKETS: usize = 4;
/// Part of the rounds that are warm-up.
const WARM_UP: usize = 3;
/// The memory may grow by this after warm-up, or by this part: the larger of the two.
const GROWTH_MIB: f64 = 3.0;
const GROWTH_PART: f64 = 0.05;

/// A property, and whether the agent has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) passed: bool,
    pub(crate) detail: String,
}

/// Everything that was measured, and what follows from it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) minutes: u64,
    pub(crate) pods: usize,
    pub(crate) empty: Sample,
    pub(crate) rounds: Vec<Round>,
    pub(crate) end: Sample,
    pub(crate) checks: Vec<Check>,
}

impl Outcome {
    /// Judges a run. `log` holds the lines of the agent's log that should not be there.
    pub(crate) fn judge(args: &Args, empty: Sample, rounds: Vec<Round>, end: Sample, log: &[String]) -> Self {
        let checks = vec![
            exact(&rounds),
            flat(&points(&rounds)),
            steady(&rounds),
            returned(&empty, &end),
            alive(&rounds, log),
        ];
        Self { minutes: args.minutes, pods: args.pods, empty, rounds, end, checks }
    }

    pub(crate) fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }
}

/// Returns the lines of a log that tell of a defect.
pub(crate) fn complaints(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| line.contains("panicked") || line.contains("ERROR"))
        .map(str::to_owned)
        .collect()
}

fn exact(rounds: &[Round]) -> Check {
    let wrong = rounds.iter().find(|round| round.clients != round.agent);
    let last = rounds.last().map(|round| round.clients).unwrap_or_default();
    let detail = match wrong {
        Some(round) => {
            format!("round {}: clients {:?}, agent {:?}", round.number, round.clients, round.agent)
        }
        None => format!(
            "{} established, {} refused, {} resets, after each of {} rounds",
            last.established,
            last.refused,
            last.resets,
            rounds.len()
        ),
    };
    Check { name: "counts are exact", passed: wrong.is_none(), detail }
}

/// Returns minutes and MiB after warm-up.
fn points(rounds: &[Round]) -> Vec<(f64, f64)> {
    let warm = rounds.len() / WARM_UP;
    rounds[warm..]
        .iter()
        .map(|round| (round.sample.at / 60.0, round.sample.rss_kib as f64 / 1024.0))
        .collect()
}

fn flat(points: &[(f64, f64)]) -> Check {
    let name = "memory is flat";
    let ([first, .., last], Some(slope)) = (points, slope(points)) else {
        return Check { name, passed: false, detail: "fewer than two rounds after warm-up".to_owned() };
    };
    let allowed = (first.1 * GROWTH_PART).max(GROWTH_MIB);
    let growth = slope * (last.0 - first.0);
    let detail = format!(
        "{:+.2} MiB/min over {:.1} min after warm-up, {growth:+.1} MiB of {allowed:.1} allowed ({:.1} to {:.1} MiB)",
        slope,
        last.0 - first.0,
        first.1,
        last.1
    );
    Check { name, passed: growth <= allowed, detail }
}

/// Returns the slope of the line of least squares.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let product: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (spread > 0.0).then(|| product / spread)
}

/// After each round there are as many pods, so the agent holds as much of the kernel.
fn steady(rounds: &[Round]) -> Check {
    let held = |round: &Round| (EXACT.map(|kind| round.sample.held(kind)), round.sample.entries.clone());
    let first = rounds.first().map(held);
    let other = rounds.iter().find(|round| Some(held(round)) != first);
    let detail = match (other, rounds.first()) {
        (Some(other), _) => format!("round {}: {:?}, not {first:?}", other.number, held(other)),
        (None, Some(round)) => format!("{} after each round", list(round, &EXACT)),
        (None, None) => "no round".to_owned(),
    };
    Check { name: "links, maps and their entries are steady", passed: other.is_none(), detail }
}

fn list(round: &Round, kinds: &[&str]) -> String {
    kinds.iter().map(|kind| format!("{} {kind}", round.sample.held(kind))).collect::<Vec<_>>().join(", ")
}

/// Once the pods are gone the agent holds what it held before they came.
fn returned(empty: &Sample, end: &Sample) -> Check {
    let allowed =
        |kind: &String| if kind == "socket" { empty.held(kind) + SPARE_SOCKETS } else { empty.held(kind) };
    let more: Vec<_> = end.descriptors.iter().filter(|(kind, count)| **count > allowed(kind)).collect();
    let missing = EXACT.iter().any(|kind| end.held(kind) != empty.held(kind));
    let passed = more.is_empty() && !missing && end.entries == empty.entries;
    let detail = if passed {
        format!("{} descriptors before, {} after", total(empty), total(end))
    } else {
        format!(
            "before {:?} {:?}, after {:?} {:?}",
            empty.descriptors, empty.entries, end.descriptors, end.entries
        )
    };
    Check { name: "nothing stays behind", passed, detail }
}

pub(crate) fn total(sample: &Sample) -> usize {
    sample.descriptors.values().sum()
}

fn alive(rounds: &[Round], log: &[String]) -> Check {
    let failed = rounds
        .iter()
        .find_map(|round| round.failed.as_ref().map(|failed| format!("round {}: {failed}", round.number)));
    let failed = failed.or_else(|| log.first().map(|line| format!("in the log: {line}")));
    let fine = || "names, records, readiness and objects were right after each round".to_owned();
    Check { name: "every task works", passed: failed.is_none(), detail: failed.unwrap_or_else(fine) }
}

#[cfg(test)]
mod tests;
