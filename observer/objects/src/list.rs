//! Lists to objects: `List`, `PodList` and similar kinds, nested or not, and plain arrays.

use std::collections::HashMap;

use serde_json::Value;

use crate::document::{Document, Repeated};

/// Lists are nested at most this deep; deeper ones are a mistake.
const MAX_DEPTH: usize = 4;

/// An object of a document, and its position there.
#[derive(Debug, Default)]
pub(crate) struct Item {
    /// Index in each list, outermost first; empty if the document is the object.
    pub(crate) path: Vec<usize>,
    /// The keys and indexes that lead to it.
    pointer: Vec<String>,
    /// The line where it begins, or its document where that isn't known.
    pub(crate) line: usize,
    pub(crate) value: Value,
    /// These are the keys that it, or something in it, has twice.
    pub(crate) repeated: Vec<Repeated>,
}

/// The objects of a document.
#[derive(Debug, Default)]
pub(crate) struct Items {
    pub(crate) items: Vec<Item>,
    /// Lists have these keys twice, so that other objects are lost.
    pub(crate) lost: Vec<Repeated>,
}

impl Item {
    /// Returns the position as the beginning of a message: `items[3]: `.
    pub(crate) fn place(&self) -> String {
        self.path.iter().map(|index| format!("items[{index}]: ")).collect()
    }

    /// Returns what is wrong where two objects are written as one, of which only the last counts.
    pub(crate) fn hidden(&self) -> Option<String> {
        let twice = self.repeated.iter().filter(|key| key.hides_an_object(self.pointer.len()));
        let keys: Vec<_> = twice.clone().map(|repeated| format!("`{}`", repeated.key)).collect();
        let (first, again) = twice.filter_map(|repeated| repeated.lines).next()?;
        Some(format!(
            "holds two objects, of which only the last counts, because {} is there twice, on lines {first} and {again}; `---` (in a \
             list: `- `) is missing between them",
            keys.join(" and ")
        ))
    }

    /// Describes the keys that come twice in it.
    pub(crate) fn doubts(&self) -> Option<String> {
        let depth = self.pointer.len();
        let all: Vec<_> = self.repeated.iter().map(|repeated| repeated.within(depth)).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// Unpacks lists. An item of a typed list may leave out kind and version, as in the API's own answers.
pub(crate) fn items(document: Document) -> Items {
    let Document { line, value, repeated, lines } = document;
    let mut out = Items::default();
    unpack(Item { line, value, ..Item::default() }, &mut out.items);
    let mut lines: HashMap<_, _> = lines.into_iter().collect();
    for item in &mut out.items {
        item.line = lines.remove(&item.path).unwrap_or(line);
    }
    assign(repeated, &mut out);
    out
}

/// Gives each key to the item that holds it.
fn assign(repeated: Vec<Repeated>, out: &mut Items) {
    if repeated.is_empty() {
        return;
    }
    let items = out.items.iter().enumerate();
    let by_pointer: HashMap<_, _> = items.map(|(index, item)| (item.pointer.clone(), index)).collect();
    for repeated in repeated {
        let depth = repeated.path.len().min(2 * MAX_DEPTH);
        let holder = (0..=depth).find_map(|depth| by_pointer.get(&repeated.path[..depth]));
        match holder.and_then(|index| out.items.get_mut(*index)) {
            Some(item) => item.repeated.push(repeated),
            None => out.lost.push(repeated),
        }
    }
}

fn unpack(mut item: Item, out: &mut Vec<Item>) {
    if item.path.len() >= MAX_DEPTH {
        out.push(item);
        return;
    }
    let inherited = inherited(&item.value);
    let (children, below) = match &mut item.value {
        Value::Array(children) => (std::mem::take(children), None),
        Value::Object(map) if is_list(map) => match map.get_mut("items").map(Value::take) {
            Some(Value::Array(children)) => (children, Some("items")),
            _ => (Vec::new(), None),
        },
        _ => {
            out.push(item);
            return;
        }
    };
    for (index, mut value) in children.into_iter().enumerate() {
        if let (Value::Object(child), Some((api_version, kind))) = (&mut value, &inherited) {
            child.entry("kind").or_insert_with(|| kind.clone());
            child.entry("apiVersion").or_insert_with(|| api_version.clone());
        }
        let mut path = item.path.clone();
        path.push(index);
        let mut pointer = item.pointer.clone();
        pointer.extend(below.map(str::to_owned));
        pointer.push(index.to_string());
        unpack(Item { path, pointer, value, ..Item::default() }, out);
    }
}

fn is_list(map: &serde_json::Map<String, Value>) -> bool {
    map.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"))
        && map.get("items").is_some_and(|items| items.is_array() || items.is_null())
}

/// Returns `apiVersion` and `kind` of a typed list's items.
fn inherited(list: &Value) -> Option<(Value, Value)> {
    let kind = list.get("kind")?.as_str()?.strip_suffix("List").filter(|kind| !kind.is_empty())?;
    Some((list.get("apiVersion")?.clone(), Value::from(kind)))
}
