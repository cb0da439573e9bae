//! Attempts by outcome and verdict.

use flow_model::decision::Decision;
use flow_model::flow::Outcome;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::sink::metrics::series::Monotone;

/// The counters of one pair: `[Outcome][Decision]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcomes([[Monotone; 3]; 4]);

impl Outcomes {
    /// Adds increments, in the order of [`flow_model::flow::Counts::outcomes`], made under this verdict.
    pub(super) fn add(&mut self, verdict: Decision, deltas: [i64; 4]) {
        for (row, delta) in self.0.iter_mut().zip(deltas) {
            if delta < 0 {
                take_back(row, index(verdict), delta.unsigned_abs());
            } else {
                give(row, index(verdict), delta.unsigned_abs());
            }
        }
    }

    /// Returns the counters to publish: all outcomes of each verdict that occurred. `increase()` misses the first step
    /// of a new series, and the first refusal after a week of successes matters most. So where the policies allow, the
    /// series of a denial exist as well, with 0.
    pub(super) fn published(&self) -> Vec<(Outcome, Decision, u64)> {
        let occurred = |verdict: Decision| self.0.iter().any(|row| row[index(verdict)].get() > 0);
        let shown =
            |verdict: Decision| occurred(verdict) || (verdict == Decision::Deny && occurred(Decision::Allow));
        let verdicts: Vec<Decision> =
            Decision::VARIANTS.iter().copied().filter(|verdict| shown(*verdict)).collect();
        let of = |(outcome, row): (Outcome, [Monotone; 3])| {
            verdicts.iter().map(move |verdict| (outcome, *verdict, row[index(*verdict)].get()))
        };
        Outcome::VARIANTS.iter().copied().zip(self.0).flat_map(of).collect()
    }
}

/// Subtracts an increment. The policies may have changed since it was counted, so it is taken from any verdict that has
/// enough. If none has, it is subtracted from later increments.
fn take_back(row: &mut [Monotone; 3], own: usize, amount: u64) {
    let mut left = amount;
    for index in own_first(own) {
        let part = row[index].net().min(left);
        row[index].owe(part);
        left -= part;
    }
    row[own].owe(left);
}

/// Adds an increment. It first settles what was taken back before it was counted, under any verdict.
fn give(row: &mut [Monotone; 3], own: usize, amount: u64) {
    let mut left = amount;
    for index in own_first(own) {
        left -= row[index].settle(left);
    }
    row[own].give(left);
}

fn own_first(own: usize) -> impl Iterator<Item = usize> {
    std::iter::once(own).chain((0..3).filter(move |index| *index != own))
}

fn index(verdict: Decision) -> usize {
    match verdict {
        Decision::Allow => 0,
        Decision::Deny => 1,
        Decision::Unknown => 2,
    }
}

#[cfg(test)]
mod tests;
