//! Finds circles of files: each file of a circle can only be understood, tested or moved with all the others. Finds also
//! uses between modules that stay apart.

mod graph;
mod modules;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use graph::Graph;
use modules::Modules;

/// Limits the circles that a crate may have.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// No circle spans two modules of the crate's root. Within one module files may use each other. Edges to and from
    /// the root do not count: everything is below it.
    OneModule,
    /// No circle has more files than this. Edges between a module and its own ancestors do not count: a parent exports
    /// its children's items, and children use what their parent defines. So a circle that only such edges close is not
    /// found.
    Files(usize),
}

const AGENT: &str = "observer/agent";

/// Limits the circles of files in the agent, which is large; other crates have none.
const IN_AGENT: Limit = Limit::Files(3);

/// Modules of the agent's root that never use these others.
const APART: &[(&str, &[&str], &str)] = &[
    ("sink", &["probes", "kube", "netlink"], "sinks know outputs only"),
    ("http", &["probes", "kube", "netlink"], "http reads what sinks hold"),
];

/// Returns a problem for each circle and each use that is not allowed.
///
/// # Errors
/// Fails when a source file can't be read.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for folder in crates(root)? {
        let modules = Modules::read(&root.join(&folder).join("src")).with_context(|| folder.clone())?;
        let mut found = circles(&modules, Limit::OneModule);
        if folder == AGENT {
            found.extend(circles(&modules, IN_AGENT));
            found.extend(uses(&modules));
        }
        problems.extend(found.into_iter().map(|problem| format!("{folder}/src: {problem}")));
    }
    Ok(problems)
}

/// Returns the folders of the crates below `observer`.
fn crates(root: &Path) -> Result<Vec<String>> {
    let folders = fs::read_dir(root.join("observer")).context("observer can't be read")?.flatten();
    let with_crate = folders.filter(|folder| folder.path().join("Cargo.toml").exists());
    let mut crates: Vec<_> =
        with_crate.map(|folder| format!("observer/{}", folder.file_name().display())).collect();
    crates.sort();
    Ok(crates)
}

/// Returns the uses that [`APART`] forbids.
fn uses(modules: &Modules) -> Vec<String> {
    let mut problems = Vec::new();
    for (user, others, why) in APART {
        let is_in = |place: &[String], name: &str| place.first().is_some_and(|first| first == name);
        let graph =
            modules.graph(|from, to| is_in(from, user) && others.iter().any(|other| is_in(to, other)));
        problems.extend(graph.all().map(|(from, to, path)| format!("{from} uses {to} ({path}): {why}")));
    }
    problems
}

fn circles(modules: &Modules, limit: Limit) -> Vec<String> {
    let graph = modules.graph(|from, to| match limit {
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
