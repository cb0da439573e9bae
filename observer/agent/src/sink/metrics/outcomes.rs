//! Attempts by outcome and verdict.

use flow_model::decision::Decision;
use flow_model::flow::Outcome;
use strum::VariantArray;

use crate::sink::metrics::series::Monotone;

/// The counters of one pair: `[Outcome][Decision]`.
#[derive(Clone, Debug, Default)]
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(n: i64) -> [i64; 4] {
        [0, n, 0, 0]
    }

    fn shown(outcomes: &Outcomes) -> Vec<(&'static str, u64)> {
        let published = outcomes.published().into_iter();
        published.filter(|(o, ..)| *o == Outcome::Refused).map(|(_, v, n)| (v.as_str(), n)).collect()
    }

    #[test]
    fn verdicts_have_series_of_their_own_and_a_refusal_has_its_zero() {
        let mut outcomes = Outcomes::default();
        assert_eq!(shown(&outcomes), []);
        outcomes.add(Decision::Unknown, [1, 0, 0, 0]);
        assert_eq!(shown(&outcomes), [("unknown", 0)]);
        outcomes.add(Decision::Allow, [1, 0, 0, 0]);
        assert_eq!(shown(&outcomes), [("allow", 0), ("deny", 0), ("unknown", 0)]);
        outcomes.add(Decision::Deny, refused(3));
        assert_eq!(shown(&outcomes), [("allow", 0), ("deny", 3), ("unknown", 0)]);
    }

    #[test]
    fn a_correction_finds_what_it_corrects_whatever_the_policies_say_by_then() {
        let mut outcomes = Outcomes::default();
        outcomes.add(Decision::Allow, refused(2));
        outcomes.add(Decision::Deny, refused(-1));
        outcomes.add(Decision::Deny, refused(1));
        assert_eq!(shown(&outcomes), [("allow", 2), ("deny", 1)]);
        outcomes.add(Decision::Allow, refused(1));
        assert_eq!(shown(&outcomes), [("allow", 2), ("deny", 1)], "one was taken back");
    }

    #[test]
    fn a_correction_that_comes_first_is_held_back() {
        let mut outcomes = Outcomes::default();
        outcomes.add(Decision::Unknown, refused(-2));
        outcomes.add(Decision::Deny, refused(3));
        assert_eq!(shown(&outcomes), [("deny", 1)]);
    }

    proptest! {
        #[test]
        fn nothing_published_goes_down_and_nothing_is_lost(steps: Vec<(u8, i8)>) {
            let (mut outcomes, mut sum, mut before) = (Outcomes::default(), 0_i64, [0; 3]);
            for (verdict, delta) in steps {
                outcomes.add(Decision::VARIANTS[usize::from(verdict % 3)], refused(delta.into()));
                sum += i64::from(delta);
                let now = outcomes.0[1].map(Monotone::get);
                prop_assert!(now.iter().zip(before).all(|(now, before)| *now >= before));
                prop_assert!(now.iter().sum::<u64>() >= sum.max(0).unsigned_abs());
                before = now;
            }
            // Whatever was held back is paid by later increments: sums are exact again.
            let published: u64 = before.iter().sum();
            let owed = i64::try_from(published).unwrap() - sum;
            for verdict in Decision::VARIANTS {
                outcomes.add(*verdict, refused(owed));
            }
            let after: u64 = outcomes.0[1].map(Monotone::get).iter().sum();
            prop_assert_eq!(i64::try_from(after).unwrap(), sum + 3 * owed);
        }
    }
}
