//! Converts entries of kernel maps that are reported and counted once each.

use flow_model::flow::{Counts, Pair};
use flow_model::input::{Input, PairDelta};
use observer_abi::DecodeError;

use super::remainder;
use crate::probes::faults::Faults;

/// Returns the entries as inputs, and the counts of each, which come with it. An entry that can't be decoded counts in the remainder, so
/// that totals stay exact.
pub(in crate::probes) fn once(
    entries: impl IntoIterator<Item = (Counts, Result<(Pair, Input), DecodeError>)>,
    faults: &mut Faults,
) -> Vec<Input> {
    let (mut seen, mut deltas) = (Vec::new(), Vec::new());
    for (counts, entry) in entries {
        match faults.check(entry) {
            Some((pair, input)) => {
                seen.push(input);
                deltas.push(PairDelta { pair: Some(pair), counts });
            }
            None => deltas.push(remainder(counts)),
        }
    }
    // The counts go first: in a flood the engine is busy with the rest for seconds.
    let counted = (!deltas.is_empty()).then_some(Input::Pairs { deltas });
    counted.into_iter().chain(faults.take()).chain(seen).collect()
}

#[cfg(test)]
mod tests;
