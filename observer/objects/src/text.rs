//! Text from outside, in messages.

use std::borrow::Cow;

/// Longer text is cut in messages; counted in characters.
pub(crate) const SHOWN: usize = 80;

/// Stands for a value that is known only when a plan is applied. It is no valid selector, address or port, so a policy with it
/// is a broken one.
pub(crate) const UNKNOWN: &str = "(known after apply)";

/// Returns text from outside as a message quotes it: between backticks, and cut after [`SHOWN`] characters.
pub(crate) fn shown(text: &str) -> String {
    format!("`{}`", shortened(text))
}

/// Returns text from outside, cut after [`SHOWN`] characters.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}
