//! The spelling that the API requires of names.

use crate::text::{UNKNOWN, shown};

/// Checks the name of a policy. One that is known only when a plan is applied passes.
///
/// # Errors
/// Fails with a sentence for people: the API refuses the name, or it stands for another one.
pub(super) fn check(name: &str) -> Result<(), String> {
    match is_subdomain(name) || name.contains(UNKNOWN) {
        true => Ok(()),
        false => Err(format!("metadata.name: {} is no name that the API accepts", shown(name))),
    }
}

/// Is true for the name of a namespace.
pub(crate) fn is_namespace(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_subdomain(text)
}

/// Is true for a label value: empty, or up to 63 characters that begin and end with a letter or digit.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name_part(text)
}

/// Is true for a label key: `name` or `prefix/name`.
pub(super) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name_part(name),
        None => is_name_part(text),
    }
}

/// Is true for a container port's name: an IANA service name, in lower case.
pub(super) fn is_port_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=15).contains(&text.len())
        && text.bytes().all(allowed)
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && !text.contains("--")
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Is true for a domain name of at least two labels, perhaps with `*.` before it.
pub(super) fn is_domain(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let name = name.strip_suffix('.').unwrap_or(name);
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_label = |label: &str| ends_alphanumeric(label) && label.bytes().all(inner);
    text.len() <= 255 && name.contains('.') && name.split('.').all(is_label)
}

fn is_name_part(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.len() <= 63 && ends_alphanumeric(text) && text.bytes().all(inner)
}

fn is_subdomain(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_label = |label: &str| ends_alphanumeric(label) && label.bytes().all(inner);
    text.len() <= 253 && text.split('.').all(is_label)
}

fn ends_alphanumeric(text: &str) -> bool {
    let bytes = text.as_bytes();
    [bytes.first(), bytes.last()].iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests;
