//! Manifests as `audit` wants them: policies with the place they stand at, and what the workloads beside them say.

mod bindings;
mod collect;
mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{ContainerPort, Inventory, Labels};
use serde_json::Value;

use crate::{ClusterError, Problem, document, list, read};
use collect::Collector;

/// Kind, namespace (empty for kinds without) and name of an object.
pub type Id = (ArcStr, ArcStr, ArcStr);

/// What a set of manifests holds. Of two objects with the same [`Id`] the later counts.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// Policies, Namespaces, Services and Pods, as from any other source.
    pub inventory: Arc<Inventory>,
    /// Everything that makes pods, by kind, namespace and name.
    pub templates: Vec<Template>,
    /// Where each object stands, counted-only kinds too.
    pub places: BTreeMap<Id, Place>,
    /// `metadata.annotations` of every Namespace, by its name.
    pub namespace_annotations: BTreeMap<ArcStr, Labels>,
    /// Service accounts (namespace, name) that a RoleBinding or ClusterRoleBinding gives something to.
    pub bound_accounts: BTreeSet<(ArcStr, ArcStr)>,
    /// What could not be read. A broken policy is here, and in the inventory.
    pub problems: Vec<Problem>,
}

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file, or what stands for one: `<stdin>`.
    pub file: PathBuf,
    /// The first line of the document that holds it, from 1; 0 when that isn't known.
    pub line: usize,
}

/// What the pods of a workload will look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub namespace: ArcStr,
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `ReplicaSet`, `Job`, `CronJob` or `Pod`.
    pub kind: ArcStr,
    /// Of the workload.
    pub name: ArcStr,
    /// Of the pods.
    pub labels: Labels,
    /// Of the workload and of its pods; where both have a key, the pods'.
    pub annotations: Labels,
    /// Of ordinary containers and sidecars.
    pub ports: Vec<ContainerPort>,
    /// `default` where none is named.
    pub service_account: ArcStr,
    pub host_network: bool,
    /// Values of environment variables, commands and arguments of all containers, in their order.
    pub texts: Vec<ArcStr>,
    /// Another object made it, which then is the workload a human thinks in.
    pub controlled: bool,
}

/// Reads a directory (recursively) or a single file.
///
/// # Errors
/// When the path is missing or may not be read. A bad document is a [`Problem`], not an error.
pub fn load(path: &Path) -> Result<Manifests, ClusterError> {
    let (files, listing) = read::manifest_files(path)?;
    let mut collector = Collector::default();
    collector.problems(listing);
    for (file, size) in files {
        match read::bytes(&file, size) {
            Ok(bytes) => add_bytes(&mut collector, &file, &bytes),
            Err(message) => collector.problems([Problem { file, line: 0, message }]),
        }
    }
    Ok(collector.finish())
}

/// Reads one text: YAML documents, JSON, or both. `name` stands for the file in places and problems.
#[must_use]
pub fn parse(name: &str, bytes: &[u8]) -> Manifests {
    let mut collector = Collector::default();
    add_bytes(&mut collector, Path::new(name), bytes);
    collector.finish()
}

/// Takes objects that are parsed already, e.g. from a Terraform plan. Lists are unpacked.
#[must_use]
pub fn collect(values: impl IntoIterator<Item = (Place, Value)>) -> Manifests {
    let mut collector = Collector::default();
    for (place, value) in values {
        add_value(&mut collector, &place, value);
    }
    collector.finish()
}

fn add_bytes(collector: &mut Collector, file: &Path, bytes: &[u8]) {
    for document in document::parse(bytes) {
        match document {
            Ok(document) => {
                let place = Place { file: file.to_owned(), line: document.line };
                add_value(collector, &place, document.value);
            }
            Err(broken) => collector.problems([Problem {
                file: file.to_owned(),
                line: broken.line,
                message: broken.message,
            }]),
        }
    }
}

fn add_value(collector: &mut Collector, place: &Place, value: Value) {
    for item in list::items(value) {
        collector.add(place, &item.place(), item.value);
    }
}
