//! Durations as people write them: `90s`, `5m`, `1h30m`, `2 days`.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Span};

/// The day from which months and years are counted, so that a year has 365 days.
const START: Date = date(2001, 1, 1);

/// Returns the duration that `text` describes. A day has 24 hours. More years than the calendar has are practically forever
/// and become [`SignedDuration::MAX`].
///
/// # Errors
/// Fails when `text` is not a duration, is negative, or has no unit; the text gives examples.
pub(crate) fn parse(text: &str) -> Result<SignedDuration, String> {
    let bad = || format!("`{text}` is not a duration like 90s, 5m or 1h30m");
    let is_negative = text.trim_start().starts_with('-') || text.trim_end().ends_with("ago");
    match text.parse::<Span>().and_then(|span| span.to_duration(START)) {
        Ok(duration) if !is_negative => Ok(duration),
        Err(error) if !is_negative && error.is_range() => Ok(SignedDuration::MAX),
        _ => Err(bad()),
    }
}

/// Returns a duration as [`parse`] reads it, for example `1m 30s`.
pub(crate) fn format(duration: impl TryInto<SignedDuration>) -> String {
    // A std Duration may be longer than a SignedDuration can hold: that is practically forever.
    format!("{:#}", duration.try_into().unwrap_or(SignedDuration::MAX))
}

/// Returns a duration without spaces, as one would write it after a flag: `1m30s`.
pub(crate) fn compact(duration: impl TryInto<SignedDuration>) -> String {
    format(duration).replace(' ', "")
}

#[cfg(test)]
mod tests;
