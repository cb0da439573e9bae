//! The query of a list or watch.

use std::collections::HashMap;

use serde_json::Value;

/// The decoded parameters of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(HashMap<String, String>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        };
        Self(text.split('&').filter(|p| !p.is_empty()).map(pair).collect())
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.0.get(key).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.text(key).parse().ok()
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        matches!(self.text(key), "1" | "true")
    }

    /// Is true when an object is in the namespace and passes the selectors.
    pub(super) fn selects(&self, namespace: Option<&str>, object: &Value) -> bool {
        let there = object["metadata"]["namespace"].as_str();
        (namespace.is_none() || namespace == there)
            && terms(self.text("labelSelector")).all(|term| label(term, &object["metadata"]["labels"]))
            && terms(self.text("fieldSelector")).all(|term| field(term, object))
    }
}

fn terms(selector: &str) -> impl Iterator<Item = &str> {
    selector.split(',').filter(|term| !term.is_empty())
}

/// `key`, `!key`, `key=value`, `key!=value`.
fn label(term: &str, labels: &Value) -> bool {
    if let Some(key) = term.strip_prefix('!') {
        return labels[key].is_null();
    }
    match parts(term) {
        Some((key, value, equal)) => (labels[key] == value) == equal,
        None => !labels[term].is_null(),
    }
}

/// `path.to.field=value`, `path.to.field!=value`.
fn field(term: &str, object: &Value) -> bool {
    let Some((path, value, equal)) = parts(term) else { return false };
    let have = path.split('.').fold(object, |at, part| &at[part]);
    (have.as_str().unwrap_or_default() == value) == equal
}

fn parts(term: &str) -> Option<(&str, &str, bool)> {
    let (key, value) = term.split_once('=')?;
    let value = value.trim_start_matches('=');
    match key.strip_suffix('!') {
        Some(key) => Some((key, value, false)),
        None => Some((key, value, true)),
    }
}

/// Decodes percent-encoding; a `+` is a space.
fn decode(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let (byte, left) = match (first, hex(after)) {
            (b'%', Some(byte)) => (byte, &after[2..]),
            (b'+', _) => (b' ', after),
            _ => (first, after),
        };
        out.push(byte);
        rest = left;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns the byte of two hexadecimal digits.
fn hex(text: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(text.get(..2)?).ok()?, 16).ok()
}

#[cfg(test)]
mod tests;
