//! Checks what the lower crates depend on, directly or through others, by the packages that Cargo resolves.
//!
//! Clippy keeps clocks and files out of them: `observer/clippy.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::run::{capture, cargo};

/// Lists the packages of this repository that a crate may use, and the others that it may never need.
struct Floor {
    package: &'static str,
    uses: &'static [&'static str],
    never: &'static [&'static str],
}

/// Runtimes, probes, and clients and servers.
const EDGES: &[&str] = &["tokio", "aya", "kube", "axum", "hyper"];
const EDGES_AND_KUBERNETES: &[&str] = &["tokio", "aya", "kube", "axum", "hyper", "k8s-openapi"];

const FLOORS: &[Floor] = &[
    Floor { package: "observer-ebpf", uses: &[], never: &["kube", "axum", "hyper", "k8s-openapi"] },
    Floor { package: "ebpf-object", uses: &[], never: EDGES_AND_KUBERNETES },
    Floor { package: "flow-model", uses: &[], never: EDGES_AND_KUBERNETES },
    Floor { package: "flow-identity", uses: &["flow-model"], never: EDGES_AND_KUBERNETES },
    Floor { package: "flow-policy", uses: &["flow-identity", "flow-model"], never: EDGES_AND_KUBERNETES },
    Floor { package: "flow-objects", uses: &["flow-model", "flow-policy"], never: EDGES },
    Floor {
        package: "flow-core",
        uses: &["flow-identity", "flow-model", "flow-policy"],
        never: EDGES_AND_KUBERNETES,
    },
    Floor {
        package: "observer",
        uses: &[
            "ebpf-object",
            "flow-core",
            "flow-identity",
            "flow-model",
            "flow-objects",
            "flow-policy",
            "observer-ebpf",
        ],
        never: &[],
    },
    Floor { package: "lab", uses: &["flow-core", "flow-model", "flow-policy", "observer"], never: &[] },
    Floor { package: "xtask", uses: &["ebpf-object"], never: EDGES_AND_KUBERNETES },
    Floor {
        package: "fuzz",
        uses: &["flow-core", "flow-model", "flow-objects", "flow-policy", "observer-ebpf"],
        never: EDGES,
    },
];

/// The workspaces: the fuzz targets have one of their own.
const WORKSPACES: &[&str] = &["Cargo.toml", "tests/fuzz/Cargo.toml"];

/// Returns a problem for each dependency that breaks a floor, and for each package without a floor. Dependencies of
/// tests are free.
///
/// # Errors
/// Fails when Cargo can't resolve the packages.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut unused: BTreeSet<&str> = FLOORS.iter().map(|floor| floor.package).collect();
    for manifest in WORKSPACES {
        let args = ["metadata", "--format-version=1", "--locked", "--manifest-path", manifest];
        let metadata = capture(&mut cargo(root, &args))?;
        let metadata = serde_json::from_str(&metadata).context("`cargo metadata` printed no JSON")?;
        let packages = Packages::read(&metadata).context("`cargo metadata` printed no packages")?;
        unused.retain(|floor| packages.members().all(|(_, name)| name != *floor));
        problems.extend(self::problems(&packages));
    }
    problems.extend(unused.into_iter().map(|name| format!("there is no package {name}")));
    Ok(problems)
}

fn problems(packages: &Packages<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for (id, name) in packages.members() {
        let Some(floor) = FLOORS.iter().find(|floor| floor.package == name) else {
            problems.push(format!("{name} has no floor in xtask/src/tidy/floors.rs"));
            continue;
        };
        for used in packages.direct(id).filter(|used| packages.ours.contains(used)) {
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
    problems
}

/// Holds what Cargo resolved, by package ID.
struct Packages<'a> {
    names: BTreeMap<&'a str, &'a str>,
    /// Those that lie in this repository.
    ours: BTreeSet<&'a str>,
    /// Those of the workspace.
    members: Vec<&'a str>,
    /// The dependencies of each package, without those of tests.
    dependencies: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Packages<'a> {
    fn read(metadata: &'a Value) -> Option<Self> {
        let packages = metadata["packages"].as_array()?;
        let names =
            packages.iter().filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)));
        let ours = packages.iter().filter(|package| package["source"].is_null());
        let nodes = metadata["resolve"]["nodes"].as_array()?.iter();
        let dependencies = nodes.filter_map(|node| {
            let needed = node["deps"].as_array()?.iter().filter(|dependency| is_needed(dependency));
            Some((node["id"].as_str()?, needed.filter_map(|dependency| dependency["pkg"].as_str()).collect()))
        });
        let members = metadata["workspace_members"].as_array()?.iter().filter_map(Value::as_str);
        Some(Self {
            names: names.collect(),
            ours: ours.filter_map(|package| package["id"].as_str()).collect(),
            members: members.collect(),
            dependencies: dependencies.collect(),
        })
    }

    /// Returns the IDs and names of the workspace's packages.
    fn members(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.members.iter().filter_map(|id| Some((*id, *self.names.get(id)?)))
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
