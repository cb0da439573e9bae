//! Events to a value. Nothing here recurses, so the depth of a document costs no stack.

use std::collections::HashMap;

use granit_parser::Event;
use serde_json::{Map, Value};

use crate::document::{Document, Repeated, scalar};

/// Anchors and aliases may add so many values to a document. Manifests have hundreds; a few lines can ask for billions.
const MAX_COPIED: usize = 400_000;

/// Builds the value of one document.
pub(super) struct Builder {
    /// The line of the text's first byte, which counts where the document has no content.
    line: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, (Value, usize)>,
    copied: usize,
    documents: usize,
    root: Option<Node>,
    repeated: Vec<Repeated>,
    lines: Vec<(Vec<usize>, usize)>,
}

/// A finished value.
struct Node {
    value: Value,
    line: usize,
    /// The number of values in it, itself included. Long text counts as several: see [`size`].
    size: usize,
}

/// A collection whose end has not come yet.
struct Open {
    anchor: usize,
    line: usize,
    size: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Object {
        map: Map<String, Value>,
        /// The line of each key that the object has itself.
        own: HashMap<String, usize>,
        /// The key whose value is next.
        key: Option<Key>,
    },
}

enum Key {
    Name(String, usize),
    Merge(usize),
}

impl Builder {
    pub(super) fn new(line: usize) -> Self {
        Self {
            line,
            open: Vec::new(),
            anchors: HashMap::new(),
            copied: 0,
            documents: 0,
            root: None,
            repeated: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Takes an event that begins on this line.
    pub(super) fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), String> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a second document begins without `---`".to_owned());
                }
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { anchor, line, size: 1, content: Content::List(Vec::new()) });
            }
            Event::MappingStart(_, anchor, _) => {
                let content = Content::Object { map: Map::new(), own: HashMap::new(), key: None };
                self.open.push(Open { anchor, line, size: 1, content });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                if self.expects_key() && scalar::is_merge_key(&text, style, tag) {
                    self.set_key(Key::Merge(line));
                    return Ok(());
                }
                let node = Node { value: scalar::value(&text, style, tag)?, line, size: size(&text) };
                self.finished(anchor, node)?;
            }
            Event::Alias(anchor) => {
                let Some((value, size)) = self.anchors.get(&anchor) else {
                    return Err("an anchor holds itself".to_owned());
                };
                count(&mut self.copied, *size)?;
                let node = Node { value: value.clone(), line, size: *size };
                self.place(node)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the document; `None` without content.
    pub(super) fn finish(self) -> Option<Document> {
        let Node { value, line, .. } = self.root?;
        let Self { repeated, lines, .. } = self;
        (!value.is_null()).then_some(Document { line: line.max(self.line), value, repeated, lines })
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(Open { anchor, line, size, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(items) => Value::Array(items),
            Content::Object { map, .. } => Value::Object(map),
        };
        self.finished(anchor, Node { value, line, size })
    }

    fn finished(&mut self, anchor: usize, node: Node) -> Result<(), String> {
        if anchor > 0 {
            count(&mut self.copied, node.size)?;
            self.anchors.insert(anchor, (node.value.clone(), node.size));
        }
        self.place(node)
    }

    /// Puts a value into the collection that is open, as its next item, key or value.
    fn place(&mut self, node: Node) -> Result<(), String> {
        let item = node.value.is_object().then(|| self.item_path()).flatten();
        let Some(Open { size, content, .. }) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        *size += node.size;
        match content {
            Content::List(items) => {
                self.lines.extend(item.map(|path| (path, node.line)));
                items.push(node.value);
                Ok(())
            }
            Content::Object { key, .. } => match key.take() {
                None => {
                    let name = name(node.value)?;
                    self.set_key(Key::Name(name, node.line));
                    Ok(())
                }
                Some(Key::Name(name, line)) => {
                    self.set(name, line, node.value);
                    Ok(())
                }
                Some(Key::Merge(line)) => self.merge(line, node.value),
            },
        }
    }

    fn set(&mut self, name: String, line: usize, value: Value) {
        let Some(Open { content: Content::Object { map, own, .. }, .. }) = self.open.last_mut() else {
            return;
        };
        let first = own.insert(name.clone(), line);
        map.insert(name.clone(), value);
        if let Some(first) = first {
            let (path, lines) = (self.path(), Some((first, line)));
            self.repeated.push(Repeated { path, key: name, lines, merged: false });
        }
    }

    /// Merges an object, or several of which the first has precedence. As in Kubernetes' library, keys of the object itself
    /// win only where they come later.
    fn merge(&mut self, line: usize, value: Value) -> Result<(), String> {
        let sources = match value {
            Value::Array(items) => items,
            one => vec![one],
        };
        let path = self.path();
        let Some(Open { content: Content::Object { map, own, .. }, .. }) = self.open.last_mut() else {
            return Ok(());
        };
        for source in sources.into_iter().rev() {
            let Value::Object(source) = source else {
                return Err("`<<` needs an object, or a list of objects".to_owned());
            };
            for (key, value) in source {
                if let Some(first) = own.get(&key).filter(|_| map.get(&key) != Some(&value)) {
                    let lines = Some((*first, line));
                    self.repeated.push(Repeated {
                        path: path.clone(),
                        key: key.clone(),
                        lines,
                        merged: true,
                    });
                }
                map.insert(key, value);
            }
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Object { key: None, .. }, .. }))
    }

    fn set_key(&mut self, next: Key) {
        if let Some(Open { content: Content::Object { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(next);
        }
    }

    /// Returns the keys and indexes that lead to the innermost open collection.
    fn path(&self) -> Vec<String> {
        let outer = self.open.len().saturating_sub(1);
        let step = |open: &Open| match &open.content {
            Content::List(items) => items.len().to_string(),
            Content::Object { key: Some(Key::Name(name, _)), .. } => name.clone(),
            Content::Object { .. } => "<<".to_owned(),
        };
        self.open[..outer].iter().map(step).collect()
    }

    /// Returns the indexes of the next item in the lists that are open; `None` where something other than lists of objects is.
    fn item_path(&self) -> Option<Vec<usize>> {
        let Content::List(_) = self.open.last()?.content else { return None };
        let mut path = Vec::new();
        for open in &self.open {
            match &open.content {
                Content::List(items) => path.push(items.len()),
                Content::Object { key: Some(Key::Name(name, _)), .. } if name == "items" => {}
                Content::Object { .. } => return None,
            }
        }
        Some(path)
    }
}

/// Returns the number of values that take about as much memory as this text.
fn size(text: &str) -> usize {
    1 + text.len() / 32
}

/// Counts values that are copied.
fn count(copied: &mut usize, size: usize) -> Result<(), String> {
    *copied = copied.saturating_add(size);
    match *copied > MAX_COPIED {
        true => Err(format!("anchors and aliases add more than {MAX_COPIED} values")),
        false => Ok(()),
    }
}

/// Returns the name that a key has in JSON.
fn name(key: Value) -> Result<String, String> {
    match key {
        Value::String(text) => Ok(text),
        Value::Bool(_) | Value::Number(_) => Ok(key.to_string()),
        Value::Null => Err("a key is empty".to_owned()),
        Value::Array(_) | Value::Object(_) => Err("a key is a list or an object, not text".to_owned()),
    }
}
