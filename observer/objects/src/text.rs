//! Text from outside, in messages.

/// Longer text is cut in messages; counted in characters.
pub(crate) const SHOWN: usize = 80;

/// Returns text from outside as a message quotes it: between backticks, and cut after [`SHOWN`] characters.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{}...`", &text[..end]),
        None => format!("`{text}`"),
    }
}
