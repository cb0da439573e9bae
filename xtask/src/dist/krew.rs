//! The manifest with which krew installs the plugin of kubectl: <https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/>.

use anyhow::Result;
use serde_json::{Value, json};

use crate::image::{Arch, PROGRAM};

const DESCRIPTION: &str = "\
Asks the agents of all nodes, through the API server and with your own rights, why connections are refused and what causes
resets: findings with their evidence, live records, load-balancer addresses and their holders, and a page for the browser.
";
const CAVEATS: &str = "\
The agents must run in the cluster. `kubectl flow_observer doctor` says whether they can be reached.
";

/// An archive of the program.
pub(super) struct Archive {
    pub(super) arch: Arch,
    pub(super) file: String,
    pub(super) sha256: String,
}

/// Returns the manifest. krew names its link after the plugin, with underscores: `kubectl-flow_observer`.
pub(super) fn manifest(version: &str, base_url: &str, archives: &[Archive]) -> Result<String> {
    let platforms: Vec<Value> = archives.iter().map(|archive| platform(base_url, archive)).collect();
    let manifest = json!({
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": PROGRAM},
        "spec": {
            "version": format!("v{version}"),
            "homepage": env!("CARGO_PKG_REPOSITORY"),
            "shortDescription": "Explain refused connections and resets",
            "description": DESCRIPTION,
            "caveats": CAVEATS,
            "platforms": platforms,
        },
    });
    Ok(serde_yaml_ng::to_string(&manifest)?)
}

fn platform(base_url: &str, archive: &Archive) -> Value {
    json!({
        "selector": {"matchLabels": {"os": "linux", "arch": archive.arch.goarch()}},
        "uri": format!("{base_url}/{}", archive.file),
        "sha256": archive.sha256,
        "bin": PROGRAM,
    })
}
