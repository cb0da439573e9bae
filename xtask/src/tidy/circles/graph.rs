//! A graph of files, and its strongly connected components.

use std::collections::{BTreeMap, BTreeSet};

/// Maps each file to the files that it uses, with one path by which it uses each of them.
#[derive(Debug, Default)]
pub(super) struct Graph(BTreeMap<String, BTreeMap<String, String>>);

impl Graph {
    /// Adds the edge `from -> to`. Only the first path of an edge is kept: one is enough to find the place.
    pub(super) fn add(&mut self, from: &str, to: &str, path: &str) {
        let edges = self.0.entry(from.to_owned()).or_default();
        edges.entry(to.to_owned()).or_insert_with(|| path.to_owned());
    }

    /// Returns the groups of two or more files that reach each other, each in alphabetical order.
    pub(super) fn components(&self) -> Vec<BTreeSet<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|file| (file.as_str(), self.reach(file))).collect();
        let mut seen = BTreeSet::new();
        let mut components = Vec::new();
        for (file, reach) in &reached {
            let together = |other: &&&str| reached.get(**other).is_some_and(|back| back.contains(file));
            let component: BTreeSet<&str> = reach.iter().filter(together).copied().collect();
            if component.len() > 1 && seen.insert(component.clone()) {
                components.push(component);
            }
        }
        components
    }

    /// Returns all edges: from, to, and the path.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let edges = |(from, edges)| {
            let edges: &BTreeMap<String, String> = edges;
            let from: &String = from;
            edges.iter().map(|(to, path)| (from.as_str(), to.as_str(), path.as_str()))
        };
        self.0.iter().flat_map(edges)
    }

    /// Returns the edges from `file` to files of `component`, with their paths.
    pub(super) fn edges<'a>(
        &'a self,
        file: &str,
        component: &'a BTreeSet<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let edges = self.0.get(file).into_iter().flatten();
        edges.map(|(to, path)| (to.as_str(), path.as_str())).filter(|(to, _)| component.contains(to))
    }

    /// Returns the files that `file` uses, directly or through others; itself only when it is part of a circle.
    fn reach(&self, file: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(next) = open.pop() {
            for to in self.0.get(next).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(to.as_str()) {
                    open.push(to);
                }
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests;
