//! Stores objects and their changes. Every change has a version, and the state of any version is available until it is
//! forgotten.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kinds::Kind;

/// Group, plural, namespace, name: the order of a list.
type Key = (String, String, String, String);

/// A change of an object.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    key: Key,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

impl Change {
    /// Is true when it is of this kind.
    pub(super) fn is_of(&self, kind: &Kind) -> bool {
        self.key.0 == kind.group && self.key.1 == kind.plural
    }
}

#[derive(Debug)]
pub(super) struct Store {
    kinds: Vec<Kind>,
    objects: BTreeMap<Key, Value>,
    changes: Vec<Change>,
    version: u64,
    /// Changes until this version are forgotten.
    forgotten: u64,
}

impl Store {
    pub(super) fn new(kinds: Vec<Kind>) -> Self {
        // The version 0 is not used, because it means any version.
        Self { kinds, objects: BTreeMap::new(), changes: Vec::new(), version: 1, forgotten: 0 }
    }

    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    pub(super) fn kind(&self, group: &str, version: &str, plural: &str) -> Option<&Kind> {
        self.kinds.iter().find(|k| k.group == group && k.version == version && k.plural == plural)
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Is true while the changes after `version` are still stored.
    pub(super) fn knows(&self, version: u64) -> bool {
        version >= self.forgotten
    }

    pub(super) fn put(&mut self, mut object: Value) -> Option<()> {
        let api_version = object["apiVersion"].as_str()?;
        let kind = self
            .kinds
            .iter()
            .find(|k| k.api_version() == api_version && object["kind"] == k.kind.as_str())?;
        let key = key(kind, &object)?;
        let before = self.objects.get(&key);
        let old = |field: &str| before.map(|b| b["metadata"][field].clone());
        let uid =
            old("uid").unwrap_or_else(|| json!(format!("00000000-0000-4000-8000-{:012x}", self.version)));
        let created = old("creationTimestamp").unwrap_or_else(|| json!(now()));
        self.version += 1;
        object["metadata"]["uid"] = uid;
        object["metadata"]["creationTimestamp"] = created;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.record(key, Some(object));
        Some(())
    }

    pub(super) fn remove(&mut self, kind: &str, namespace: &str, name: &str) -> Option<()> {
        let kind = self.kinds.iter().find(|k| k.kind == kind)?;
        let key = (kind.group.clone(), kind.plural.clone(), namespace.to_owned(), name.to_owned());
        self.objects.contains_key(&key).then(|| {
            self.version += 1;
            self.record(key, None);
        })
    }

    fn record(&mut self, key: Key, after: Option<Value>) {
        let before = match &after {
            Some(object) => self.objects.insert(key.clone(), object.clone()),
            None => self.objects.remove(&key),
        };
        self.changes.push(Change { version: self.version, key, before, after });
    }

    pub(super) fn compact(&mut self) {
        // Versions increase without visible changes, too.
        self.version += 1;
        // Running watches still get the changes that they have not seen.
        self.forgotten = self.version;
    }

    pub(super) fn install(&mut self, kind: Kind) {
        self.uninstall(&kind.group, &kind.plural);
        self.kinds.push(kind);
    }

    pub(super) fn uninstall(&mut self, group: &str, plural: &str) {
        let ours = |key: &&Key| key.0 == group && key.1 == plural;
        for key in self.objects.keys().filter(ours).cloned().collect::<Vec<_>>() {
            self.version += 1;
            self.record(key, None);
        }
        self.kinds.retain(|k| k.group != group || k.plural != plural);
    }

    /// Returns the objects of a kind as they were at `version`, in the order of a list.
    pub(super) fn at(&self, kind: &Kind, version: u64) -> Vec<Value> {
        let mut objects: BTreeMap<&Key, &Value> =
            self.objects.iter().filter(|(key, _)| key.0 == kind.group && key.1 == kind.plural).collect();
        for change in self.changes.iter().rev().take_while(|c| c.version > version).filter(|c| c.is_of(kind))
        {
            match &change.before {
                Some(before) => objects.insert(&change.key, before),
                None => objects.remove(&change.key),
            };
        }
        objects.into_values().cloned().collect()
    }

    /// Returns the changes of a kind after `version`.
    pub(super) fn since(&self, kind: &Kind, version: u64) -> Vec<Change> {
        let from = self.changes.partition_point(|change| change.version <= version);
        self.changes[from..].iter().filter(|change| change.is_of(kind)).cloned().collect()
    }
}

fn key(kind: &Kind, object: &Value) -> Option<Key> {
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    let name = metadata["name"].as_str()?;
    Some((kind.group.clone(), kind.plural.clone(), namespace.to_owned(), name.to_owned()))
}

fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

#[cfg(test)]
mod tests;
