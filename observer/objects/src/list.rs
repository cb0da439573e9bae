//! Lists to objects: `List`, `PodList` and similar kinds, nested or not, and plain arrays.

use serde_json::Value;

/// Lists are nested at most this deep; deeper ones are a mistake.
const MAX_DEPTH: usize = 4;

/// An object of a document, and its position there.
#[derive(Debug)]
pub(crate) struct Item {
    /// Index in each list, outermost first; empty if the document is the object.
    pub(crate) path: Vec<usize>,
    pub(crate) value: Value,
}

impl Item {
    /// Returns the position as the beginning of a message: `items[3]: `.
    pub(crate) fn place(&self) -> String {
        self.path.iter().map(|index| format!("items[{index}]: ")).collect()
    }
}

/// Unpacks lists. An item of a typed list may leave out kind and version, as in the API's own answers.
pub(crate) fn items(value: Value) -> Vec<Item> {
    let mut out = Vec::new();
    unpack(Item { path: Vec::new(), value }, &mut out);
    out
}

fn unpack(mut item: Item, out: &mut Vec<Item>) {
    if item.path.len() >= MAX_DEPTH {
        out.push(item);
        return;
    }
    let inherited = inherited(&item.value);
    let children = match &mut item.value {
        Value::Array(children) => std::mem::take(children),
        Value::Object(map) if is_list(map) => match map.get_mut("items").map(Value::take) {
            Some(Value::Array(children)) => children,
            _ => Vec::new(),
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
        unpack(Item { path, value }, out);
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
