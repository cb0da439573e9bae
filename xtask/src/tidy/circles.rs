//! Finds circles of files: each file of a circle can only be understood, tested or moved with all the others.

mod graph;
mod modules;
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};

use graph::Graph;
use modules::Modules;

/// Limits the circles that a crate may have.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// No circle spans two modules of the crate's root. Within one module files may use each other.
    OneModule,
    /// No circle has more files than this. An edge between a module and its own descendants does not count.
    Files(usize),
}

const CRATES: &[(&str, Limit)] = &[
    ("observer/model", Limit::OneModule),
    ("observer/identity", Limit::OneModule),
    ("observer/policy", Limit::OneModule),
    ("observer/objects", Limit::OneModule),
    ("observer/core", Limit::OneModule),
    ("observer/agent", Limit::Files(3)),
];

/// Returns a problem for each circle that is not allowed.
///
/// # Errors
/// Fails when a source file can't be read.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for (folder, limit) in CRATES {
        let modules = Modules::read(&root.join(folder).join("src")).with_context(|| (*folder).to_owned())?;
        problems
            .extend(circles(&modules, *limit).into_iter().map(|problem| format!("{folder}/src: {problem}")));
    }
    Ok(problems)
}

fn circles(modules: &Modules, limit: Limit) -> Vec<String> {
    let graph = modules.graph(|from, to| match limit {
        // Everything is below the root, so edges to and from it mean nothing.
        Limit::OneModule => !from.is_empty() && !to.is_empty(),
        Limit::Files(_) => !from.starts_with(to) && !to.starts_with(from),
    });
    let top_levels = modules.top_levels();
    let breaks = |component: &BTreeSet<&str>| match limit {
        Limit::OneModule => component.iter().map(|file| top_levels[file]).collect::<BTreeSet<_>>().len() > 1,
        Limit::Files(most) => component.len() > most,
    };
    graph
        .components()
        .iter()
        .filter(|component| breaks(component))
        .map(|component| describe(&graph, component))
        .collect()
}

/// Returns the files of a circle, and for each the others that it uses, with a path to look for.
fn describe(graph: &Graph, component: &BTreeSet<&str>) -> String {
    let mut text = format!("{} files use each other in a circle:", component.len());
    for file in component {
        let uses: Vec<_> = graph.edges(file, component).map(|(to, path)| format!("{to} ({path})")).collect();
        text += &format!("\n    {file} uses {}", uses.join(", "));
    }
    text
}

#[cfg(test)]
mod tests;
