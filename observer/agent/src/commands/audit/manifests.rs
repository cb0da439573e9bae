//! Manifests as the audit reads them.

mod kustomize;

use std::path::Path;

use flow_objects::manifests::{self, Manifests, Reader};
use flow_objects::problem::Extent;
use flow_objects::proposal::change;
use flow_policy::audit::{Change, Place, Unjudged};

/// The first objects without namespace are named, so many.
const NAMED: usize = 5;

/// Standard input.
pub(super) fn stdin(bytes: &[u8], namespace: Option<&str>) -> anyhow::Result<Change> {
    let manifests = reader(namespace).parse(crate::commands::audit::STDIN, bytes);
    anyhow::ensure!(
        !is_empty(&manifests),
        "standard input holds no Kubernetes objects; pipe `kubectl kustomize DIR` or `helm template CHART` into it"
    );
    Ok(proposed(manifests, &|place| Place::Stdin { line: place.line }))
}

/// A directory or a file.
pub(super) fn load(path: &Path, namespace: Option<&str>) -> anyhow::Result<Change> {
    let manifests = reader(namespace).load(path).map_err(|error| match error {
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
    Ok(proposed(manifests, &|place| {
        let file = place.file.strip_prefix(&here).unwrap_or(&place.file);
        let file = file.strip_prefix("./").unwrap_or(file);
        Place::File { file: file.to_string_lossy().into(), line: place.line }
    }))
}

fn reader(namespace: Option<&str>) -> Reader<'static> {
    Reader { namespace: namespace.map(Into::into), render: &kustomize::render }
}

/// Is true when there is no object, and nothing that could not be read or rendered and may have held one.
fn is_empty(manifests: &Manifests) -> bool {
    let may_hold = |extent: &Extent| matches!(extent, Extent::Unreadable | Extent::Unjudged(_));
    manifests.places.is_empty() && !manifests.problems.iter().any(|problem| may_hold(&problem.extent))
}

fn proposed(mut manifests: Manifests, locate: &dyn Fn(&manifests::Place) -> Place) -> Change {
    let unplaced = std::mem::take(&mut manifests.unplaced);
    let mut change = change(manifests, locate);
    if let Some((_, first)) = unplaced.first() {
        let names = unplaced.iter().take(NAMED).map(|(id, _)| format!("{} {}", id.kind, id.object.name));
        let more = if unplaced.len() > NAMED { ", ..." } else { "" };
        change.unjudged.push(Unjudged {
            place: Some(locate(first)),
            object: arcstr::format!("{} without namespace", crate::client::print::plural(unplaced.len(), "object")),
            why: format!(
                "judged as of namespace default, but they go where they are installed: give it with --namespace ({}{more})",
                names.collect::<Vec<_>>().join(", ")
            ),
        });
    }
    change
}
