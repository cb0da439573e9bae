//! The modules of a crate, and which file a path leads to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::graph::Graph;
use super::source::Module;

/// Imports of imports are followed this far; more would be a circle of imports, which does not compile.
const HOPS: usize = 16;

/// The names of a module and its ancestors, from the crate's root, which has none.
type Place = Vec<String>;

/// Holds the modules of a crate without its tests.
#[derive(Debug, Default)]
pub(super) struct Modules(BTreeMap<Place, (String, Module)>);

impl Modules {
    /// Reads `lib.rs` in `src` and every file that it leads to.
    ///
    /// # Errors
    /// Fails when a file can't be read or is not Rust.
    pub(super) fn read(src: &Path) -> Result<Self> {
        let mut modules = Self::default();
        modules.file(src, "lib.rs".to_owned(), Place::new())?;
        Ok(modules)
    }

    fn file(&mut self, src: &Path, file: String, place: Place) -> Result<()> {
        let path = src.join(&file);
        let text = fs::read_to_string(&path).with_context(|| format!("{} can't be read", path.display()))?;
        let module = Module::parse(&text).with_context(|| format!("{} is not Rust", path.display()))?;
        self.add(src, file, place, module)
    }

    fn add(&mut self, src: &Path, file: String, place: Place, mut module: Module) -> Result<()> {
        for name in std::mem::take(&mut module.files) {
            let child = [place.as_slice(), &[name]].concat();
            self.file(src, format!("{}.rs", child.join("/")), child)?;
        }
        for (name, inline) in std::mem::take(&mut module.inline) {
            self.add(src, file.clone(), [place.as_slice(), &[name]].concat(), inline)?;
        }
        self.0.insert(place, (file, module));
        Ok(())
    }

    /// Returns which file uses which. `counts` decides by the places of both whether an edge belongs to the graph.
    pub(super) fn graph(&self, counts: impl Fn(&[String], &[String]) -> bool) -> Graph {
        let mut graph = Graph::default();
        for (from, (file, module)) in &self.0 {
            let items = module.paths.iter().map(|path| (path, self.item(from, path, HOPS)));
            let wholes =
                module.wholes.iter().map(|path| (path, self.walk(from, path, HOPS).map(|(place, _)| place)));
            for (path, to) in items.chain(wholes) {
                let Some(to) = to else { continue };
                let (target, _) = &self.0[&to];
                if target != file && counts(from, &to) {
                    graph.add(file, target, &path.join("::"));
                }
            }
        }
        graph
    }

    /// Returns the top-level module that each file belongs to; for the root that is an empty name.
    pub(super) fn top_levels(&self) -> BTreeMap<&str, &str> {
        let top = |place: &Place| self.0.get_key_value(place).and_then(|(place, _)| place.first());
        self.0
            .iter()
            .map(|(place, (file, _))| (file.as_str(), top(place).map_or("", String::as_str)))
            .collect()
    }

    /// Returns the module that defines the item at the end of `path`; nothing for a path that ends at a module, since
    /// only the paths that go on from there use something.
    fn item(&self, from: &Place, path: &[String], hops: usize) -> Option<Place> {
        self.walk(from, path, hops).filter(|(_, is_item)| *is_item).map(|(place, _)| place)
    }

    /// Follows `path` through modules and imports. Returns the last module, and whether the path names an item in it;
    /// nothing for paths into other crates and for local names.
    fn walk(&self, from: &Place, path: &[String], hops: usize) -> Option<(Place, bool)> {
        let hops = hops.checked_sub(1)?;
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Place::new(),
            "self" => from.clone(),
            "super" => parent(from)?,
            name => return self.step(from, name, rest, hops, false),
        };
        while let Some((_, after)) = rest.split_first().filter(|(next, _)| *next == "super") {
            (at, rest) = (parent(&at)?, after);
        }
        match rest.split_first() {
            None => Some((at, false)),
            Some((name, rest)) => self.step(&at, name, rest, hops, true),
        }
    }

    /// Follows `name` from the module `at`. Where it is neither a module nor an import, it is an item, or, in a path
    /// that does not begin at a module, a local name.
    fn step(
        &self,
        at: &Place,
        name: &str,
        rest: &[String],
        hops: usize,
        is_item: bool,
    ) -> Option<(Place, bool)> {
        let child = [at.as_slice(), &[name.to_owned()]].concat();
        if self.0.contains_key(&child) {
            return match rest.split_first() {
                None => Some((child, false)),
                Some((name, rest)) => self.step(&child, name, rest, hops, true),
            };
        }
        let (_, module) = self.0.get(at)?;
        if let Some(import) = module.imports.get(name) {
            return self.walk(at, &[import.as_slice(), rest].concat(), hops);
        }
        is_item.then(|| (at.clone(), true))
    }
}

fn parent(place: &Place) -> Option<Place> {
    place.split_last().map(|(_, parent)| parent.to_vec())
}

#[cfg(test)]
mod tests;
