//! Query strings of requests.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that a value can't hold unencoded. The exceptions keep times, names and lists readable in logs.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b',');

/// Returns a query string of these names and values.
pub(crate) fn query(parameters: &[(&str, String)]) -> String {
    let pair = |(name, value): &(&str, String)| format!("{name}={}", utf8_percent_encode(value, ENCODED));
    parameters.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Returns `path` with those parameters that have a value.
pub(crate) fn path(
    path: &str,
    parameters: impl IntoIterator<Item = (&'static str, Option<String>)>,
) -> String {
    let given: Vec<_> = parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    format!("{path}?{}", query(&given))
}

#[cfg(test)]
mod tests;
