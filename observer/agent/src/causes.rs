//! Errors with their causes, as one sentence.

use std::error::Error;

/// Returns an error with its causes. hyper's own text, for one, is only `connection error`. A cause with which the text
/// ends already is not repeated.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.extend([": ", &more]);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
