//! The bill of materials of the program: what it is linked from, as CycloneDX 1.6
//! (<https://cyclonedx.org/docs/1.6/json/>). It has no time and no serial number, so that it is the same for the same source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::target::Arch;
use super::{PROGRAM, version};
use crate::page::SOURCE as PAGE;
use crate::run::{capture, cargo, output};

/// The packages that are linked into the program, each with the target that it is compiled for. The eBPF object is part of it.
const BPF: &str = "bpfel-unknown-none";
const ROOTS: [&str; 2] = ["observer", "observer-ebpf"];

/// What `cargo metadata` prints, as far as it is read
/// (<https://doc.rust-lang.org/cargo/commands/cargo-metadata.html#json-format>).
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Clone, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Deserialize)]
struct DepKind {
    /// Absent for what is linked; `build` or `dev` for the rest.
    kind: Option<String>,
}

/// The packages by their URL, each with the URLs of those that it uses.
type Linked = BTreeMap<String, (Package, BTreeSet<String>)>;

/// Returns the bill of materials of a program that was built for `arch`.
pub(super) fn make(root: &Path, arch: Arch, program: &[u8]) -> Result<Vec<u8>> {
    let userspace = metadata(root, &arch.triple())?;
    let kernel = metadata(root, BPF)?;
    let mut linked = reachable(&userspace, ROOTS[0])?;
    linked.extend(reachable(&kernel, ROOTS[1])?);
    let lock = root.join(PAGE).join("package-lock.json");
    let lock = fs::read(&lock).with_context(|| lock.display().to_string())?;
    let mut others = system(arch)?;
    others.extend(page(&serde_json::from_slice(&lock).context("package-lock.json")?));
    let mut text = serde_json::to_vec_pretty(&document(&linked, &others, program))?;
    text.push(b'\n');
    Ok(text)
}

fn metadata(root: &Path, triple: &str) -> Result<Metadata> {
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", triple];
    let text = capture(&mut cargo(root, &arguments))?;
    serde_json::from_str(&text).context("`cargo metadata` prints another format")
}

/// Returns what is linked into a package of the workspace, itself included.
fn reachable(metadata: &Metadata, name: &str) -> Result<Linked> {
    let packages: BTreeMap<&str, &Package> = metadata.packages.iter().map(|p| (p.id.as_str(), p)).collect();
    let nodes: BTreeMap<&str, &Node> = metadata.resolve.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
    let root = metadata.packages.iter().find(|package| package.name == name);
    let mut pending = vec![root.with_context(|| format!("there is no package {name}"))?.id.as_str()];
    let mut linked = Linked::new();
    while let Some(id) = pending.pop() {
        let (package, node) =
            packages.get(id).zip(nodes.get(id)).with_context(|| format!("{id} is unknown"))?;
        let is_linked = |dependency: &&Dependency| dependency.dep_kinds.iter().any(|of| of.kind.is_none());
        let uses: Vec<&str> = node.deps.iter().filter(is_linked).map(|dependency| &*dependency.pkg).collect();
        let urls = uses.iter().filter_map(|id| packages.get(id)).map(|package| url(package)).collect();
        if linked.insert(url(package), ((*package).clone(), urls)).is_none() {
            pending.extend(uses);
        }
    }
    Ok(linked)
}

/// Returns a package's URL (<https://github.com/package-url/purl-spec>).
fn url(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

/// Returns what the toolchain links: the standard libraries of Rust and of C.
fn system(arch: Arch) -> Result<Vec<Value>> {
    let rustc = output("rustc", &["--version"]).context("rustc doesn't run")?;
    let rust = rustc.split_whitespace().nth(1).unwrap_or_default();
    let package = arch.libc_package();
    let glibc = capture(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", &package]))?;
    let std = format!("pkg:generic/rust-std@{rust}");
    let libc = format!("pkg:deb/debian/{package}@{glibc}");
    Ok(vec![
        component(&std, "rust-std", rust, Some("MIT OR Apache-2.0")),
        component(&libc, &package, &glibc, Some("LGPL-2.1-or-later")),
    ])
}

/// Returns what is bundled into the page, by npm's lock file.
fn page(lock: &Value) -> Vec<Value> {
    let packages = lock["packages"].as_object().into_iter().flatten();
    // The first entry, without a name, is the page's own.
    let bundled = packages.filter(|(path, package)| !path.is_empty() && package["dev"] != true);
    bundled
        .map(|(path, package)| {
            let name = path.rsplit_once("node_modules/").map_or(path.as_str(), |(_, name)| name);
            let version = package["version"].as_str().unwrap_or_default();
            let url = format!("pkg:npm/{}@{version}", name.replace('@', "%40"));
            component(&url, name, version, package["license"].as_str())
        })
        .collect()
}

fn document(linked: &Linked, system: &[Value], program: &[u8]) -> Value {
    let packages = linked.iter().map(|(url, (package, _))| {
        component(url, &package.name, &package.version, package.license.as_deref())
    });
    let components: Vec<Value> = packages.chain(system.iter().cloned()).collect();
    let uses = linked.iter().map(|(url, (_, uses))| json!({"ref": url, "dependsOn": uses}));
    let dependencies: Vec<Value> = [program_uses(linked, system)].into_iter().chain(uses).collect();
    let digest: String = Sha256::digest(program).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {
            "type": "application", "name": PROGRAM, "version": version(), "bom-ref": PROGRAM,
            "licenses": [{"expression": env!("CARGO_PKG_LICENSE")}],
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }},
        "components": components,
        "dependencies": dependencies,
    })
}

/// Returns what the program itself consists of.
fn program_uses(linked: &Linked, system: &[Value]) -> Value {
    let roots = linked.iter().filter(|(_, (package, _))| ROOTS.contains(&package.name.as_str()));
    let roots = roots.map(|(url, _)| json!(url));
    let uses: Vec<Value> = roots.chain(system.iter().map(|library| library["bom-ref"].clone())).collect();
    json!({"ref": PROGRAM, "dependsOn": uses})
}

fn component(url: &str, name: &str, version: &str, license: Option<&str>) -> Value {
    let mut component =
        json!({"type": "library", "name": name, "version": version, "bom-ref": url, "purl": url});
    if let Some(license) = license {
        // Old manifests separate alternatives by a slash, which SPDX doesn't know.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    component
}

#[cfg(test)]
mod tests;
