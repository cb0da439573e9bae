//! Records and map entries that can't be decoded: each is counted, and the first of each kind is logged.

use std::collections::BTreeSet;

use flow_model::input::{Input, LostStage};
use observer_abi::DecodeError;
use tracing::warn;

/// Counts what one reader could not decode.
#[derive(Debug, Default)]
pub(super) struct Faults {
    count: u64,
    logged: BTreeSet<&'static str>,
}

impl Faults {
    /// Returns what was decoded. An error is counted, and logged if it is the first of its kind.
    pub(super) fn check<T>(&mut self, decoded: Result<T, DecodeError>) -> Option<T> {
        let error = match decoded {
            Ok(decoded) => return Some(decoded),
            Err(error) => error,
        };
        self.count += 1;
        if self.logged.insert(kind(error)) {
            warn!(%error, "what the kernel side wrote can't be decoded; further faults of this kind are only counted");
        }
        None
    }

    /// Returns the number of errors since the last call, if there were any.
    pub(super) fn take(&mut self) -> Option<Input> {
        let count = std::mem::take(&mut self.count);
        (count > 0).then_some(Input::Lost { stage: LostStage::Decode, count })
    }
}

/// Returns what errors of one kind have in common: not the value, since there are as many as a byte has.
fn kind(error: DecodeError) -> &'static str {
    match error {
        DecodeError::Short { .. } => "length",
        DecodeError::UnknownKind(_) => "kind",
        DecodeError::UnknownValue { field, .. } => field,
    }
}

#[cfg(test)]
mod tests;
