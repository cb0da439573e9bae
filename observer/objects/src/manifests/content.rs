//! The content of manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{ContainerPort, Inventory, Labels};
use flow_model::object_ref::ObjectRef;

use crate::object::ObjectId;
use crate::problem::Problem;

/// The content of a set of manifests. Of two objects with the same id the later counts.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// These are policies, Namespaces, Services and Pods, as in any other source.
    pub inventory: Arc<Inventory>,
    /// Everything that makes pods, sorted by kind, namespace and name.
    pub templates: Vec<Template>,
    /// The place of each object, also of kinds that are only counted.
    pub places: BTreeMap<ObjectId, Place>,
    /// `metadata.annotations` of each Namespace, by its name.
    pub namespace_annotations: BTreeMap<ArcStr, Labels>,
    /// A RoleBinding or ClusterRoleBinding grants something to these service accounts.
    pub bound_accounts: BTreeSet<ObjectRef>,
    /// Objects that name no namespace, although where they are decides what they do.
    pub unplaced: Vec<(ObjectId, Place)>,
    /// The problems, which name what could not be read. A broken policy is here and in the inventory.
    pub problems: Vec<Problem>,
}

/// The place of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file, or a name in place of one: `<stdin>`.
    pub file: PathBuf,
    /// The first line of the document that holds it, from 1; 0 when that isn't known.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file.display()),
            line => write!(f, "{}:{line}", self.file.display()),
        }
    }
}

/// The pods of a workload, before they exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub namespace: ArcStr,
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `ReplicaSet`, `Job`, `CronJob` or `Pod`.
    pub kind: ArcStr,
    /// The name of the workload.
    pub name: ArcStr,
    /// The labels of the pods.
    pub labels: Labels,
    /// The annotations of the workload and of its pods. The pods' have precedence.
    pub annotations: Labels,
    /// The ports of ordinary containers and sidecars.
    pub ports: Vec<ContainerPort>,
    /// The service account; `default` where none is named.
    pub service_account: ArcStr,
    pub host_network: bool,
    /// Values of environment variables, commands and arguments of all containers, in their order.
    pub texts: Vec<ArcStr>,
    /// Is true when another object made it. That object then is the workload that people know.
    pub controlled: bool,
}
