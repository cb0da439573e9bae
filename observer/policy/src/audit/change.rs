//! The change that a pull request proposes, as the audit reads it.

mod twice;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Namespace, Pod, Service};
use flow_model::network::{Enforcer, LocalDns};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{BrokenPolicy, NetworkPolicy, TierPolicy};

/// Holds everything that the manifests or the plan declare.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub policies: Vec<Proposed<NetworkPolicy>>,
    pub tiered: Vec<Proposed<TierPolicy>>,
    pub broken: Vec<Proposed<BrokenPolicy>>,
    pub namespaces: Vec<ProposedNamespace>,
    pub services: Vec<Arc<Service>>,
    /// These pods are listed themselves, as a bare Pod or in a dump.
    pub pods: Vec<Arc<Pod>>,
    pub templates: Vec<Template>,
    /// The ServiceAccounts that a RoleBinding or ClusterRoleBinding names.
    pub bound: HashSet<ObjectRef>,
    /// The enforcer, where the manifests have it or somebody chose it.
    pub enforcer: Option<Enforcer>,
    /// The DNS cache on nodes, where the manifests have it.
    pub local_dns: Option<LocalDns>,
    /// The documents that can't be parsed, with the reason: a policy may be among them.
    pub unreadable: Vec<(Place, String)>,
    /// What is there but can't be judged.
    pub unjudged: Vec<Unjudged>,
    /// These are remarks for the reader.
    pub notes: Vec<String>,
    /// The objects that a plan deletes.
    pub removed: Vec<Removed>,
}

/// Holds an object and its place in the sources.
#[derive(Clone, Debug)]
pub struct Proposed<T> {
    pub object: Arc<T>,
    pub place: Place,
}

/// Holds a Namespace with the annotations that the audit reads.
#[derive(Clone, Debug)]
pub struct ProposedNamespace {
    pub namespace: Arc<Namespace>,
    pub notes: Notes,
    pub place: Place,
}

/// Holds a workload's pod template, or a bare Pod.
#[derive(Clone, Debug)]
pub struct Template {
    /// The pod that the template makes, without address and node; or the bare Pod itself.
    pub pod: Arc<Pod>,
    /// `spec.serviceAccountName`, `default` when absent.
    pub service_account: ArcStr,
    /// The values of environment variables, commands and arguments, which may contain names of Services.
    pub strings: Vec<ArcStr>,
    /// The annotations of the workload and of its pod template.
    pub notes: Notes,
    pub place: Place,
}

/// Holds the annotations `flow-observer.io/...`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The value of `flow-observer.io/uses`, as written.
    pub uses: Option<ArcStr>,
    /// The value of `flow-observer.io/audit-ignore`: the reason.
    pub ignore: Option<ArcStr>,
}

/// Names what the audit could not judge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unjudged {
    pub place: Option<Place>,
    /// The object, or what else it is: `CiliumNetworkPolicy shop/db`, `helm_release`, `document`.
    pub object: ArcStr,
    pub why: String,
}

/// Names an object that the change deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub kind: ArcStr,
    pub object: ObjectRef,
    pub place: Place,
}

/// Points to the place of an object in the sources.
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
    /// Adds the objects of another source. Of a policy that both have, the later counts, as when both are applied.
    pub fn extend(&mut self, other: Self) {
        twice::drop_earlier(self, &other);
        self.policies.extend(other.policies);
        self.tiered.extend(other.tiered);
        self.broken.extend(other.broken);
        self.namespaces.extend(other.namespaces);
        self.services.extend(other.services);
        self.pods.extend(other.pods);
        self.templates.extend(other.templates);
        self.bound.extend(other.bound);
        self.unreadable.extend(other.unreadable);
        self.unjudged.extend(other.unjudged);
        self.notes.extend(other.notes);
        self.removed.extend(other.removed);
        self.enforcer = other.enforcer.or(self.enforcer);
        self.local_dns = self.local_dns.take().or(other.local_dns);
    }

    /// Makes documents that can't be read something that is only not judged, and no finding.
    pub fn allow_unreadable(&mut self) {
        let all = self.all_unjudged();
        self.unreadable.clear();
        self.unjudged = all;
    }

    /// Counts the policies of the kinds that are judged, including broken ones.
    #[must_use]
    pub fn policy_count(&self) -> usize {
        let broken = self.broken.iter().filter(|policy| !policy.object.is_unjudged()).count();
        self.policies.len() + self.tiered.len() + broken
    }

    /// Returns everything that is not judged, sorted by place.
    pub(super) fn all_unjudged(&self) -> Vec<Unjudged> {
        let document = |(place, why): &(Place, String)| Unjudged {
            place: Some(place.clone()),
            object: arcstr::literal!("document"),
            why: why.clone(),
        };
        let mut all: Vec<_> =
            self.unreadable.iter().map(document).chain(self.unjudged.iter().cloned()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Returns the place of each NetworkPolicy by `namespace/name`, and of each tiered policy by name.
    pub(super) fn places(&self) -> BTreeMap<ObjectRef, &Place> {
        let named = self.policies.iter().map(|p| (p.object.object_ref(), &p.place));
        named.chain(self.tiered.iter().map(|p| (p.object.object_ref(), &p.place))).collect()
    }
}
