//! Durations as people write them: `90s`, `5m`, `1h 30m`, `1.5 days`.

use std::time::Duration;

use jiff::SignedDuration;

/// Returns the duration that `text` describes. More than a [`SignedDuration`] can hold is practically forever.
///
/// # Errors
/// Fails when `text` is not a duration, is negative, or has no unit; the text gives examples and the reason.
pub(crate) fn parse(text: &str) -> Result<SignedDuration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|reason| format!("`{text}` is not a duration like 90s, 5m or 1h30m: {reason}"))?;
    Ok(duration.try_into().unwrap_or(SignedDuration::MAX))
}

/// Returns a duration as [`parse`] reads it, for example `1m 30s`. One below zero is `0s`.
pub(crate) fn format(duration: impl TryInto<Duration>) -> String {
    humantime::format_duration(duration.try_into().unwrap_or_default()).to_string()
}

/// Returns a duration without spaces, as one would write it after a flag: `1m30s`.
pub(crate) fn compact(duration: impl TryInto<Duration>) -> String {
    format(duration).replace(' ', "")
}

#[cfg(test)]
mod tests;
