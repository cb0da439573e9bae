//! Strict reading of an object: each value knows its path, and an unknown field is an error.

use std::fmt;

use serde_json::{Map, Value};

use crate::text::{SHOWN, UNKNOWN, shown};

/// A value, or what is wrong with it: `spec.ingress[0].from: must be a list`.
pub(super) type Result<T> = std::result::Result<T, String>;

/// A value with its path in the object.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    path: String,
    value: &'a Value,
}

/// The fields of an object, all of them known. Null is the same as absent, as in the API.
#[derive(Debug)]
pub(super) struct Record<'a> {
    path: String,
    map: Option<&'a Map<String, Value>>,
}

/// Fields of the object itself.
pub(super) const OBJECT: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

impl<'a> Field<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// Returns an error about this value.
    pub(super) fn wrong(&self, why: impl fmt::Display) -> String {
        match self.path.is_empty() {
            true => why.to_string(),
            false => format!("{}: {why}", self.path),
        }
    }

    /// Returns its fields. One that is not among `known` is an error.
    pub(super) fn record(&self, known: &[&str]) -> Result<Record<'a>> {
        let record = self.any_record()?;
        match record.unknown(known) {
            Some(name) => Err(unknown_field(&record.at(name), name, known)),
            None => Ok(record),
        }
    }

    /// Returns its fields, whatever their names.
    pub(super) fn any_record(&self) -> Result<Record<'a>> {
        match self.value {
            Value::Object(map) => Ok(Record { path: self.path.clone(), map: Some(map) }),
            other => Err(self.wrong(format_args!("must be an object, not {}", kind_of(other)))),
        }
    }

    /// Returns the items of a list.
    pub(super) fn list(&self) -> Result<Vec<Self>> {
        let Value::Array(items) = self.value else {
            return Err(self.wrong(format_args!("must be a list, not {}", kind_of(self.value))));
        };
        let item = |(index, value)| Self { path: format!("{}[{index}]", self.path), value };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// Returns the items of a list that the API keeps short.
    pub(super) fn bounded(&self, most: usize) -> Result<Vec<Self>> {
        let items = self.list()?;
        match items.len() > most {
            true => Err(self.wrong(format_args!("has {} items; {most} are allowed", items.len()))),
            false => Ok(items),
        }
    }

    /// Returns a text.
    pub(super) fn text(&self) -> Result<&'a str> {
        match self.value {
            Value::String(text) => Ok(text),
            Value::Bool(value) => {
                Err(self.wrong(format_args!("must be text, not the boolean {value}: quote it")))
            }
            Value::Number(value) => {
                Err(self.wrong(format_args!("must be text, not the number {value}: quote it")))
            }
            other => Err(self.wrong(format_args!("must be text, not {}", kind_of(other)))),
        }
    }

    /// Returns an integer.
    pub(super) fn integer(&self) -> Result<i64> {
        match self.value {
            Value::Number(number) => {
                number.as_i64().ok_or_else(|| self.wrong(format_args!("{number} is not an integer in range")))
            }
            Value::String(text) if text != UNKNOWN => {
                Err(self.wrong(format_args!("must be a number, not the text {}", shown(text))))
            }
            other => Err(self.wrong(format_args!("must be a number, not {}", kind_of(other)))),
        }
    }

    /// Returns the value without its path.
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// Is true for a text.
    pub(super) fn is_text(&self) -> bool {
        self.value.is_string()
    }
}

impl<'a> Record<'a> {
    /// Returns what stands for an absent object.
    pub(super) fn empty(path: &str) -> Self {
        Self { path: path.to_owned(), map: None }
    }

    /// Returns a field; `None` where it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<Field<'a>> {
        let value = self.map?.get(name).filter(|value| !value.is_null())?;
        Some(Field { path: self.at(name), value })
    }

    /// Returns a field that must be there.
    pub(super) fn need(&self, name: &str) -> Result<Field<'a>> {
        self.get(name).ok_or_else(|| format!("{}: is missing", self.at(name)))
    }

    /// Returns the items of a list that may be absent.
    pub(super) fn list(&self, name: &str) -> Result<Vec<Field<'a>>> {
        self.get(name).map_or_else(|| Ok(Vec::new()), |field| field.list())
    }

    /// Returns all names and values, also null.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        let fields = self.map.into_iter().flatten();
        fields.map(|(name, value)| (name.as_str(), Field { path: self.at(name), value }))
    }

    /// Returns the names and values that are not null.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        self.all().filter(|(_, field)| !field.value.is_null())
    }

    /// Returns the first name that is not among `known`, also where its value is null.
    pub(super) fn unknown(&self, known: &[&str]) -> Option<&'a str> {
        let mut names = self.map.into_iter().flatten().map(|(name, _)| name.as_str());
        names.find(|name| !known.contains(name))
    }

    fn at(&self, name: &str) -> String {
        match self.path.is_empty() {
            true => name.to_owned(),
            // Label keys hold dots.
            false if name.contains('.') || name.len() > SHOWN => format!("{}[{}]", self.path, shown(name)),
            false => format!("{}.{name}", self.path),
        }
    }
}

fn unknown_field(path: &str, name: &str, known: &[&str]) -> String {
    let closeness = |other: &&&str| strsim::damerau_levenshtein(name, other);
    // A long name is no typing error, and comparing takes time with its length.
    let near = known.iter().filter(|_| name.len() < 32).min_by_key(closeness);
    match near.filter(|near| closeness(near) <= 2) {
        Some(near) => format!("{path}: is not a known field; did you mean `{near}`?"),
        None => format!("{path}: is not a known field"),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(text) if text == UNKNOWN => "a value that is only known when the plan is applied",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
