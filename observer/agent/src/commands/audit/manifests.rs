//! Manifests as the audit reads them.

use std::path::Path;

use flow_objects::manifests::{self, Manifests};
use flow_objects::problem::Extent;
use flow_objects::proposal::change;
use flow_policy::audit::{Change, Place};

/// Standard input.
pub(super) fn stdin(bytes: &[u8]) -> anyhow::Result<Change> {
    let manifests = manifests::parse(crate::commands::audit::STDIN, bytes);
    anyhow::ensure!(
        !is_empty(&manifests),
        "standard input holds no Kubernetes objects; pipe `kubectl kustomize DIR` or `helm template CHART` into it"
    );
    Ok(change(manifests, &|place| Place::Stdin { line: place.line }))
}

/// A directory or a file.
pub(super) fn load(path: &Path) -> anyhow::Result<Change> {
    let manifests = manifests::load(path).map_err(|error| match error {
        // The remedy of a cluster source is not that of manifests.
        flow_objects::ClusterError::Missing { path } => {
            anyhow::anyhow!("{} does not exist; name a directory or a file with manifests", path.display())
        }
        other => other.into(),
    })?;
    anyhow::ensure!(
        !is_empty(&manifests),
        "{} holds no Kubernetes objects in .yaml, .yml or .json files; render charts and kustomizations first, and pipe \
         them into `--manifests -`",
        path.display()
    );
    let here = std::env::current_dir().unwrap_or_default();
    Ok(change(manifests, &|place| {
        let file = place.file.strip_prefix(&here).unwrap_or(&place.file);
        let file = file.strip_prefix("./").unwrap_or(file);
        Place::File { file: file.to_string_lossy().into(), line: place.line }
    }))
}

/// Is true when there is no object, and no document that could not be read and may have held one.
fn is_empty(manifests: &Manifests) -> bool {
    manifests.places.is_empty()
        && !manifests.problems.iter().any(|problem| problem.extent == Extent::Unreadable)
}
