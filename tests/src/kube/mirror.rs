//! Copies the lab's directory of objects to an API server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::server::ApiServer;

/// The applied objects, by file.
#[derive(Debug)]
pub struct Mirror {
    dir: PathBuf,
    applied: BTreeMap<PathBuf, Value>,
}

impl Mirror {
    /// Mirrors a directory with one object per file.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), applied: BTreeMap::new() }
    }

    /// Applies the directory's changes since the last call.
    ///
    /// # Errors
    /// Fails when the server refuses an object.
    pub fn sync(&mut self, api: &ApiServer) -> Result<()> {
        let wanted = read(&self.dir)?;
        let changed = |(path, object): &(&PathBuf, &Value)| self.applied.get(*path) != Some(*object);
        let mut new: Vec<Value> = wanted.iter().filter(changed).map(|(_, object)| object.clone()).collect();
        // Other objects need their namespace.
        new.sort_by_key(|object| object["kind"] != "Namespace");
        api.apply(&new)?;
        for (_, gone) in self.applied.iter().filter(|(path, _)| !wanted.contains_key(*path)) {
            let part = |pointer: &str| gone.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            api.delete(part("/kind"), part("/metadata/namespace"), part("/metadata/name"))?;
        }
        self.applied = wanted;
        Ok(())
    }
}

fn read(dir: &Path) -> Result<BTreeMap<PathBuf, Value>> {
    let mut objects = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let object = serde_yaml_ng::from_str(&text).with_context(|| path.display().to_string())?;
        objects.insert(path, object);
    }
    Ok(objects)
}
