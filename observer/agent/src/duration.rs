//! Durations as people write them: `90s`, `5m`, `1h 30m`, `1.5 days`. `m` are minutes and `M` are months; a month has 30.44
//! days, a year 365.25.

use std::time::Duration;

use jiff::SignedDuration;

/// Returns the sum of the parts of `text`, each a number with a unit. Only `0` needs no unit. A sum that a `u64` of seconds
/// holds and a [`SignedDuration`] does not is [`SignedDuration::MAX`], which is forever in practice.
///
/// # Errors
/// Fails when a part is negative or has no known unit, or when the sum is more than a `u64` of seconds holds. The error
/// quotes `text`, shows what durations look like, and gives the reason.
pub(crate) fn parse(text: &str) -> Result<SignedDuration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|reason| format!("`{text}` is not a duration like 90s, 5m or 1h30m: {reason}"))?;
    Ok(duration.try_into().unwrap_or(SignedDuration::MAX))
}

/// Returns a text that [`parse`] reads as the same duration, for example `1m 30s`. A duration below zero gives `0s`.
pub(crate) fn format(duration: impl TryInto<Duration>) -> String {
    humantime::format_duration(duration.try_into().unwrap_or_default()).to_string()
}

/// Returns the text of [`format`] without spaces, as one would write it after a flag: `1m30s`.
pub(crate) fn compact(duration: impl TryInto<Duration>) -> String {
    format(duration).replace(' ', "")
}

#[cfg(test)]
mod tests;
