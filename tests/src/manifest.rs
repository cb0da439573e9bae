//! Renders the manifests in `deploy/` as users do, and reads the DaemonSet's requirements for a container runtime.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::kube::program;

/// Every directory that users may give to `kubectl apply -k`.
pub const ALL: [&str; 5] =
    ["base", "overlays/hand-over", "overlays/k3s", "overlays/privileged", "overlays/prometheus-operator"];

/// Returns the path of a file in the checkout.
#[must_use]
pub fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Returns a program that `cargo xtask setup` unpacks for a node.
///
/// # Errors
/// Fails when the program is missing.
pub fn node_tool(path: &str) -> Result<PathBuf> {
    let tool = checkout("target/tools/node").join(path);
    ensure!(tool.is_file(), "{} is missing: run `cargo xtask setup`", tool.display());
    Ok(tool)
}

/// Returns the objects of a directory below `deploy/`, rendered by the kustomize of kubectl. A warning is an error.
///
/// # Errors
/// Fails when kustomize can't render the directory, or warns about it.
pub fn render(dir: &str) -> Result<Vec<Value>> {
    let kubectl = program("kubectl")?;
    let out = Command::new(kubectl).arg("kustomize").arg(checkout("deploy").join(dir)).output()?;
    let quiet = out.status.success() && out.stderr.is_empty();
    ensure!(quiet, "deploy/{dir}: {}", String::from_utf8_lossy(&out.stderr));
    documents(&String::from_utf8(out.stdout)?).with_context(|| dir.to_owned())
}

/// Returns the objects in a text of YAML documents.
///
/// # Errors
/// Fails when it is no YAML.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let documents = serde_yaml_ng::Deserializer::from_str(text);
    documents.map(|one| Ok(serde::Deserialize::deserialize(one)?)).collect()
}

/// The kubelet's instructions for the container runtime.
#[derive(Clone, Debug)]
pub struct Container {
    pub image: String,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// Names of variables, and the pod's field behind each, e.g. `spec.nodeName`. Only a cluster has the values.
    pub fields: Vec<(String, String)>,
    /// Capabilities by their kernel names: `CAP_BPF`.
    pub capabilities: BTreeSet<String>,
    pub memory_limit: u64,
    /// Is true when the container shares the node's process IDs.
    pub host_pid: bool,
    /// The paths of the probes.
    pub probes: BTreeSet<String>,
}

/// Returns the agent's container in rendered objects, after a check of the rest: the host's network, a read-only root,
/// no new privileges, the runtime's seccomp profile, all other capabilities dropped, user 0.
///
/// # Errors
/// Fails when one of these doesn't hold, or a field is missing.
pub fn agent(objects: &[Value]) -> Result<Container> {
    let daemon_set = objects.iter().find(|o| o["kind"] == "DaemonSet").context("no DaemonSet")?;
    let pod = &daemon_set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    for (what, value, wanted) in [
        ("hostNetwork", &pod["hostNetwork"], Value::from(true)),
        ("readOnlyRootFilesystem", &security["readOnlyRootFilesystem"], true.into()),
        ("allowPrivilegeEscalation", &security["allowPrivilegeEscalation"], false.into()),
        ("privileged", &security["privileged"], false.into()),
        ("seccompProfile", &security["seccompProfile"]["type"], "RuntimeDefault".into()),
        ("runAsUser", &security["runAsUser"], 0.into()),
        ("capabilities.drop", &security["capabilities"]["drop"], serde_json::json!(["ALL"])),
    ] {
        ensure!(*value == wanted, "{what} is {value}, expected {wanted}");
    }
    let capabilities = texts(&security["capabilities"]["add"])?;
    Ok(Container {
        image: container["image"].as_str().context("no image")?.to_owned(),
        args: texts(&container["args"])?,
        env: env(&container["env"], |entry| entry["valueFrom"].is_null(), "/value")?,
        fields: env(
            &container["env"],
            |entry| !entry["valueFrom"].is_null(),
            "/valueFrom/fieldRef/fieldPath",
        )?,
        capabilities: capabilities.into_iter().map(|name| format!("CAP_{name}")).collect(),
        memory_limit: bytes(container["resources"]["limits"]["memory"].as_str().context("no memory limit")?)?,
        host_pid: pod["hostPID"] == true,
        probes: ["startupProbe", "livenessProbe", "readinessProbe"]
            .into_iter()
            .map(|probe| {
                container[probe]["httpGet"]["path"]
                    .as_str()
                    .map(str::to_owned)
                    .with_context(|| probe.to_owned())
            })
            .collect::<Result<_>>()?,
    })
}

fn texts(list: &Value) -> Result<Vec<String>> {
    serde_json::from_value(list.clone()).with_context(|| format!("{list} is no list of texts"))
}

/// Returns the names of the wanted entries, and their values at `pointer`.
fn env(list: &Value, wanted: fn(&&Value) -> bool, pointer: &str) -> Result<Vec<(String, String)>> {
    let entries = list.as_array().context("no env")?.iter().filter(wanted);
    entries
        .map(|entry| {
            let text = |pointer: &str| {
                let text = entry.pointer(pointer).and_then(Value::as_str);
                text.map(str::to_owned).with_context(|| entry.to_string())
            };
            Ok((text("/name")?, text(pointer)?))
        })
        .collect()
}

/// Reads a quantity like `256Mi`.
fn bytes(quantity: &str) -> Result<u64> {
    let Some(mebibytes) = quantity.strip_suffix("Mi") else { bail!("{quantity}: expected Mi") };
    Ok(mebibytes.parse::<u64>()? << 20)
}
