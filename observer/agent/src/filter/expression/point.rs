//! Errors that point into an expression.

/// The most characters shown before the place.
const BEFORE: usize = 60;
/// The most characters shown from the place on.
const AFTER: usize = 40;

/// Returns the message with the part of the expression around the column, which counts from 0, and a mark under it.
pub(super) fn pointed(text: &str, column: usize, message: &str) -> String {
    let skipped = column.saturating_sub(BEFORE);
    let shown: String = text.chars().skip(skipped).take(BEFORE + AFTER).collect();
    format!(
        "column {}: {message}\n    {shown}\n    {:>width$}",
        column + 1,
        "^",
        width = column - skipped + 1
    )
}
