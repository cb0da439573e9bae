//! Booleans of YAML 1.1. The API server reads YAML 1.1, where `on` without quotes is a boolean; our parser reads 1.2, where
//! it is text. A label `on` that is read as text here is refused by the API server.

use serde_json::Value;

const TRUE: [&str; 6] = ["on", "On", "ON", "yes", "Yes", "YES"];
const FALSE: [&str; 6] = ["off", "Off", "OFF", "no", "No", "NO"];

/// Makes booleans of such words without quotes. `parse` reads YAML. The parser doesn't report whether a scalar had quotes, so
/// the text is parsed again with `true` in place of each word: where that gives a boolean, the word had no quotes.
pub(super) fn restore(text: &str, value: Value, parse: impl Fn(&str) -> Option<Value>) -> Value {
    match rewritten(text) {
        Some(text) => parse(&text).map_or_else(|| value.clone(), |other| merged(value.clone(), &other)),
        None => value,
    }
}

/// Returns the text with every word that seems to have no quotes replaced; `None` without any.
fn rewritten(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    let mut start = 0;
    for (end, c) in text.char_indices().chain([(text.len(), '\n')]) {
        if !matches!(c, ' ' | '\t' | '\r' | '\n' | ',' | '[' | ']' | '{' | '}') {
            continue;
        }
        if let Some(word) = canonical(&text[start..end]).filter(|_| stands_alone(text, start, end)) {
            out.push_str(&text[copied..start]);
            out.push_str(word);
            copied = end;
        }
        start = end + c.len_utf8();
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// Is true when the word may be a whole scalar. It is only a hint, which saves most texts a second parsing.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].trim_end_matches([' ', '\t']).chars().next_back();
    let after = text[end..].trim_start_matches([' ', '\t']).chars().next();
    before.is_none_or(|c| matches!(c, ':' | '-' | ',' | '[' | '{' | '\n'))
        && after.is_none_or(|c| matches!(c, '\r' | '\n' | ',' | ']' | '}' | '#'))
}

fn canonical(word: &str) -> Option<&'static str> {
    match word {
        word if TRUE.contains(&word) => Some("true"),
        word if FALSE.contains(&word) => Some("false"),
        _ => None,
    }
}

/// Returns `value` with the booleans of `other` in place of such words.
fn merged(value: Value, other: &Value) -> Value {
    match (value, other) {
        (Value::String(word), Value::Bool(bool)) if canonical(&word).is_some() => Value::Bool(*bool),
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            items.into_iter().zip(others).map(|(item, other)| merged(item, other)).collect()
        }
        (Value::Object(map), Value::Object(others)) => {
            let entry = |(name, value)| match others.get(&name) {
                Some(other) => (name, merged(value, other)),
                None => (name, value),
            };
            map.into_iter().map(entry).collect()
        }
        (value, _) => value,
    }
}
