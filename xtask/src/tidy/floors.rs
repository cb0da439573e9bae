//! Checks what the lower crates depend on, directly or through others, by the packages that Cargo resolves.
//!
//! Clippy keeps clocks and files out of them: `observer/clippy.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::run::{capture, cargo};

/// Lists the packages of this workspace that a crate may use, and the others that it may never need.
struct Floor {
    package: &'static str,
    uses: &'static [&'static str],
    never: &'static [&'static str],
}

/// Runtimes, probes, and clients and servers.
const EDGES: &[&str] = &["tokio", "aya", "kube", "axum", "hyper"];
const EDGES_AND_KUBERNETES: &[&str] = &["tokio", "aya", "kube", "axum", "hyper", "k8s-openapi"];

const FLOORS: &[Floor] = &[
    Floor { package: "flow-model", uses: &[], never: EDGES_AND_KUBERNETES },
    Floor { package: "flow-identity", uses: &["flow-model"], never: EDGES_AND_KUBERNETES },
    Floor { package: "flow-policy", uses: &["flow-identity", "flow-model"], never: EDGES_AND_KUBERNETES },
    Floor { package: "flow-objects", uses: &["flow-identity", "flow-model", "flow-policy"], never: EDGES },
    Floor {
        package: "flow-core",
        uses: &["flow-identity", "flow-model", "flow-policy"],
        never: EDGES_AND_KUBERNETES,
    },
];

/// Returns a problem for each dependency that breaks a floor. Dependencies of tests are free.
///
/// # Errors
/// Fails when Cargo can't resolve the packages.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let metadata = capture(&mut cargo(root, &["metadata", "--format-version=1", "--locked"]))?;
    let metadata = serde_json::from_str(&metadata).context("`cargo metadata` printed no JSON")?;
    problems(&Packages::read(&metadata).context("`cargo metadata` printed no packages")?)
}

fn problems(packages: &Packages<'_>) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for floor in FLOORS {
        let name = floor.package;
        let id = packages.member(name).with_context(|| format!("there is no package {name}"))?;
        for used in packages.direct(id).filter(|used| packages.members.contains(used)) {
            let used = packages.names[used];
            if !floor.uses.contains(&used) {
                problems.push(format!("{name} uses {used}, which is not below it"));
            }
        }
        for used in packages.all(id).into_iter().map(|used| packages.names[used]) {
            if floor.never.contains(&used) {
                problems.push(format!(
                    "{name} depends on {used}: see `cargo tree -p {name} -e normal -i {used}`"
                ));
            }
        }
    }
    Ok(problems)
}

/// Holds what Cargo resolved, by package ID.
struct Packages<'a> {
    names: BTreeMap<&'a str, &'a str>,
    members: BTreeSet<&'a str>,
    /// The dependencies of each package, without those of tests.
    dependencies: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Packages<'a> {
    fn read(metadata: &'a Value) -> Option<Self> {
        let names = metadata["packages"].as_array()?.iter();
        let names = names.filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)));
        let nodes = metadata["resolve"]["nodes"].as_array()?.iter();
        let dependencies = nodes.filter_map(|node| {
            let needed = node["deps"].as_array()?.iter().filter(|dependency| is_needed(dependency));
            Some((node["id"].as_str()?, needed.filter_map(|dependency| dependency["pkg"].as_str()).collect()))
        });
        let members = metadata["workspace_members"].as_array()?.iter().filter_map(Value::as_str);
        Some(Self {
            names: names.collect(),
            members: members.collect(),
            dependencies: dependencies.collect(),
        })
    }

    fn member(&self, name: &str) -> Option<&'a str> {
        self.members.iter().find(|id| self.names.get(*id) == Some(&name)).copied()
    }

    fn direct(&self, id: &str) -> impl Iterator<Item = &'a str> {
        self.dependencies.get(id).into_iter().flatten().copied()
    }

    fn all(&self, id: &str) -> BTreeSet<&'a str> {
        let mut all = BTreeSet::new();
        let mut open: Vec<_> = self.direct(id).collect();
        while let Some(next) = open.pop() {
            if all.insert(next) {
                open.extend(self.direct(next));
            }
        }
        all
    }
}

/// Is true unless only tests use the dependency.
fn is_needed(dependency: &Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array();
    kinds.is_none_or(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
}

#[cfg(test)]
mod tests;
