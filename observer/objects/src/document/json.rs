//! JSON values, one after the other.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::document::{Broken, Document, Repeated, split, yaml};

/// Reads JSON values one after the other. Returns false if the text is YAML in flow style: its first value is valid YAML but
/// no JSON.
pub(super) fn parse(text: &str, line: usize, out: &mut Vec<Result<Document, Broken>>) -> bool {
    let mut rest = text;
    let mut first = true;
    while !rest.trim_start().is_empty() {
        let skipped = rest.len() - rest.trim_start().len();
        let start = text.len() - rest.len() + skipped;
        let start_line = line + split::newlines(&text.as_bytes()[..start]);
        match value(&text[start..]) {
            Ok((value, repeated, length)) => {
                rest = &text[start + length..];
                let repeated = located(repeated, &text[start..start + length], start_line);
                out.push(Ok(Document { line: start_line, value, repeated, lines: Vec::new() }));
            }
            Err(error) => {
                if first && yaml::parse(text, line).is_ok() {
                    return false;
                }
                out.push(Err(Broken {
                    line: start_line + error.line().saturating_sub(1),
                    message: message(&error),
                }));
                rest = resume(&text[start..]);
            }
        }
        first = false;
    }
    true
}

/// Reads the first value of a text. Returns its length as well.
fn value(text: &str) -> serde_json::Result<(Value, Vec<Repeated>, usize)> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Found>();
    let Found { value, repeated } = stream.next().transpose()?.unwrap_or_default();
    Ok((value, repeated, stream.byte_offset()))
}

/// Adds the lines, which the YAML parser knows: JSON is YAML.
fn located(repeated: Vec<Repeated>, text: &str, line: usize) -> Vec<Repeated> {
    if repeated.is_empty() {
        return repeated;
    }
    match yaml::parse(text, line) {
        Ok(Some(again)) if again.repeated.len() == repeated.len() => again.repeated,
        _ => repeated,
    }
}

fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
    format!("not valid JSON: {what}")
}

/// Returns the text after a broken value. It begins at the next line with an object in the first column, as printed objects
/// and NDJSON have it.
fn resume(text: &str) -> &str {
    text.find("\n{").map_or("", |at| &text[at + 1..])
}

/// A value, and the keys that its objects have twice. [`Value`] itself keeps the last without a word.
#[derive(Default)]
struct Found {
    value: Value,
    repeated: Vec<Repeated>,
}

impl<'de> Deserialize<'de> for Found {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut repeated = Vec::new();
        let value = Reader { at: None, repeated: &mut repeated }.deserialize(from)?;
        Ok(Self { value, repeated })
    }
}

/// Reads the value at one place.
struct Reader<'a> {
    at: Option<&'a At<'a>>,
    repeated: &'a mut Vec<Repeated>,
}

/// A place in the document.
struct At<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl At<'_> {
    fn path(at: Option<&Self>) -> Vec<String> {
        let mut path: Vec<_> =
            std::iter::successors(at, |at| at.parent).map(|at| at.step.to_string()).collect();
        path.reverse();
        path
    }
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => index.fmt(f),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let at = At { parent: self.at, step: Step::Index(list.len()) };
            match items.next_element_seed(Reader { at: Some(&at), repeated: self.repeated })? {
                Some(item) => list.push(item),
                None => return Ok(list.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let at = At { parent: self.at, step: Step::Key(&key) };
            let value = entries.next_value_seed(Reader { at: Some(&at), repeated: self.repeated })?;
            if map.contains_key(&key) {
                let path = At::path(self.at);
                self.repeated.push(Repeated { path, key: key.clone(), lines: None, merged: false });
            }
            map.insert(key, value);
        }
        Ok(map.into())
    }
}
