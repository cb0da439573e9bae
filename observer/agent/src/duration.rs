//! Durations as people write them: `90s`, `5m`, `1h30m`, `2 days`.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Span};

/// The day from which months and years are counted, so that a year has 365 days.
const START: Date = date(2001, 1, 1);

/// Returns the duration that `text` describes. A day has 24 hours. More years than the calendar has are practically forever
/// and become [`SignedDuration::MAX`].
///
/// # Errors
/// When `text` is not a duration, is negative, or has no unit; the text gives examples.
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
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("5m", 300),
            ("10min", 600),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            ("2days", 172_800),
            ("1d", 86_400),
            ("1w", 604_800),
            ("2 hours", 7_200),
            ("1y", 31_536_000),
        ] {
            assert_eq!(parse(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("1500ms"), Ok(SignedDuration::from_millis(1_500)));
    }

    #[test]
    fn more_years_than_the_calendar_has_are_forever() {
        for text in ["100000y", "9000y"] {
            assert_eq!(parse(text), Ok(SignedDuration::MAX), "{text}");
        }
    }

    #[test]
    fn other_texts_are_errors() {
        for text in ["", "soon", "5", "-5m", "5m ago", "-100000y", "5 apples"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(&format!("`{text}` is not a duration")), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        for (millis, text) in [(0, "0s"), (1_200, "1s 200ms"), (61_000, "1m 1s"), (90_000_000, "25h")] {
            let duration = SignedDuration::from_millis(millis);
            assert_eq!(format(duration), text);
            assert_eq!(parse(text), Ok(duration));
            assert_eq!(parse(&compact(duration)), Ok(duration));
        }
    }
}
