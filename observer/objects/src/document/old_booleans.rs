//! The API server's YAML is 1.1, where `on` without quotes is a boolean; our parser's is 1.2, where it is text.
//! A label `on` that we took for text would be one that the API server refuses.

use serde_json::Value;

const TRUE: [&str; 6] = ["on", "On", "ON", "yes", "Yes", "YES"];
const FALSE: [&str; 6] = ["off", "Off", "OFF", "no", "No", "NO"];

/// Makes booleans of the words that stand without quotes. `parse` reads YAML; the parser doesn't tell how a scalar
/// was written, but where a word that looks bare turns into a boolean by writing `true` for it, it was bare.
pub(super) fn restore(text: &str, value: Value, parse: impl Fn(&str) -> Option<Value>) -> Value {
    match rewritten(text) {
        Some(text) => parse(&text).map_or_else(|| value.clone(), |other| merged(value.clone(), &other)),
        None => value,
    }
}

/// The text with every word that looks bare replaced; `None` without any.
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

/// Whether it may be all of a scalar. Only a hint: it spares most prose a second parsing.
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

/// `value`, with the booleans of `other` where it has one of the words.
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
