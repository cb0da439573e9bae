//! Values that are known only when the plan is applied.

use serde_json::{Map, Value};

pub(super) use crate::text::UNKNOWN;

/// Is true for a value that isn't known.
pub(super) fn is(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains(UNKNOWN))
}

/// Is true for a map of which a value isn't known, or nothing is.
pub(super) fn is_in(map: &Value) -> bool {
    is(map) || map.as_object().is_some_and(|map| map.values().any(is))
}

/// Returns the object with content that isn't known.
pub(super) fn content(mut object: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.insert("spec".to_owned(), UNKNOWN.into());
    }
    object
}

/// Writes [`UNKNOWN`] wherever `unknown` is true.
pub(super) fn mark(value: &mut Value, unknown: &Value) {
    match unknown {
        Value::Bool(true) => *value = Value::from(UNKNOWN),
        Value::Object(fields) if fields.values().any(holds_true) => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            for (key, unknown) in fields.iter().filter(|(_, unknown)| holds_true(unknown)) {
                mark(&mut value[key.as_str()], unknown);
            }
        }
        Value::Array(items) if items.iter().any(holds_true) => {
            if !value.is_array() {
                *value = Value::Array(Vec::new());
            }
            let Value::Array(values) = value else { return };
            if values.len() < items.len() {
                values.resize(items.len(), Value::Null);
            }
            values.iter_mut().zip(items).for_each(|(value, unknown)| mark(value, unknown));
        }
        _ => {}
    }
}

fn holds_true(unknown: &Value) -> bool {
    match unknown {
        Value::Bool(unknown) => *unknown,
        Value::Object(fields) => fields.values().any(holds_true),
        Value::Array(items) => items.iter().any(holds_true),
        Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}
