//! What a pull request proposes, as the audit reads it.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Namespace, Pod, Service};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{BrokenPolicy, NetworkPolicy, TierPolicy};

/// Everything that the manifests or the plan say.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub policies: Vec<Proposed<NetworkPolicy>>,
    pub tiered: Vec<Proposed<TierPolicy>>,
    pub broken: Vec<Proposed<BrokenPolicy>>,
    pub namespaces: Vec<ProposedNamespace>,
    pub services: Vec<Arc<Service>>,
    /// Pods as such, of a bare Pod or of a dump.
    pub pods: Vec<Arc<Pod>>,
    pub templates: Vec<Template>,
    /// ServiceAccounts (namespace, name) that a RoleBinding or ClusterRoleBinding names.
    pub bound: HashSet<(ArcStr, ArcStr)>,
    /// Documents that can't be parsed, and why: a policy may be among them.
    pub unreadable: Vec<(Place, String)>,
    /// What else a reader should know.
    pub notes: Vec<String>,
    /// Objects that a plan deletes.
    pub removed: Vec<Removed>,
}

/// An object, and where it is written.
#[derive(Clone, Debug)]
pub struct Proposed<T> {
    pub object: Arc<T>,
    pub place: Place,
}

/// A Namespace with the annotations that the audit reads.
#[derive(Clone, Debug)]
pub struct ProposedNamespace {
    pub namespace: Arc<Namespace>,
    pub notes: Notes,
    pub place: Place,
}

/// A workload's pod template, or a bare Pod.
#[derive(Clone, Debug)]
pub struct Template {
    /// A pod as the template makes it, without address and node; a bare Pod itself.
    pub pod: Arc<Pod>,
    /// `spec.serviceAccountName`, `default` when absent.
    pub service_account: ArcStr,
    /// Values of environment variables, commands and arguments, where names of Services may stand.
    pub strings: Vec<ArcStr>,
    /// Of the workload and of its pod template.
    pub notes: Notes,
    pub place: Place,
}

/// The annotations `flow-observer.io/...`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// `flow-observer.io/uses`, as written.
    pub uses: Option<ArcStr>,
    /// `flow-observer.io/audit-ignore`: the reason.
    pub ignore: Option<ArcStr>,
}

/// An object that will be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub kind: ArcStr,
    /// Empty for kinds without namespace.
    pub namespace: ArcStr,
    pub name: ArcStr,
    pub place: Place,
}

/// Where something is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file, and the line in it from 1.
    File { file: ArcStr, line: usize },
    /// Standard input, and the line in it from 1.
    Stdin { line: usize },
    /// The address of a resource in a plan.
    Resource(ArcStr),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0 } => f.write_str(file),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Stdin { line } => write!(f, "standard input:{line}"),
            Self::Resource(address) => f.write_str(address),
        }
    }
}

impl Change {
    /// Takes in what another source proposes.
    pub fn extend(&mut self, other: Self) {
        self.policies.extend(other.policies);
        self.tiered.extend(other.tiered);
        self.broken.extend(other.broken);
        self.namespaces.extend(other.namespaces);
        self.services.extend(other.services);
        self.pods.extend(other.pods);
        self.templates.extend(other.templates);
        self.bound.extend(other.bound);
        self.unreadable.extend(other.unreadable);
        self.notes.extend(other.notes);
        self.removed.extend(other.removed);
    }

    /// Policies of any kind, also broken ones.
    #[must_use]
    pub fn policy_count(&self) -> usize {
        self.policies.len() + self.tiered.len() + self.broken.len()
    }

    /// Where each NetworkPolicy is written, by `namespace/name`; tiered ones by name.
    pub(super) fn places(&self) -> BTreeMap<ObjectRef, &Place> {
        let named = self.policies.iter().map(|p| (p.object.object_ref(), &p.place));
        named.chain(self.tiered.iter().map(|p| (p.object.object_ref(), &p.place))).collect()
    }
}
