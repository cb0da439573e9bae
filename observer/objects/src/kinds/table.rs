//! The rows of the table of kinds.

use crate::kinds::Kind;
use crate::kinds::row::{Content, Presence, Purpose, Row, Scope, Versions};

/// A namespaced kind of the core group. The other rows name what differs.
const CORE: Row = Row {
    group: "",
    other_groups: &[],
    versions: Versions::AnyLike("v1"),
    plural: "",
    scope: Scope::Namespaced,
    presence: Presence::Required,
    content: Content::Whole,
    field_selector: None,
    purpose: Purpose::Addresses,
};

/// A policy of the whole cluster, whose definition not every cluster has.
const TIERED: Row = Row {
    group: "policy.networking.k8s.io",
    versions: Versions::Only("v1alpha1"),
    scope: Scope::Cluster,
    presence: Presence::Optional,
    purpose: Purpose::Policies,
    ..CORE
};

impl Kind {
    /// Returns what is the same for all objects of the kind.
    #[must_use]
    pub const fn row(self) -> Row {
        match self {
            Self::AdminNetworkPolicy => Row { plural: "adminnetworkpolicies", ..TIERED },
            Self::BaselineAdminNetworkPolicy => Row { plural: "baselineadminnetworkpolicies", ..TIERED },
            Self::ClusterNetworkPolicy => {
                Row { plural: "clusternetworkpolicies", versions: Versions::Only("v1alpha2"), ..TIERED }
            }
            Self::EndpointSlice => Row {
                group: "discovery.k8s.io",
                versions: Versions::Only("v1"),
                plural: "endpointslices",
                ..CORE
            },
            // The API has each Event in two groups.
            Self::Event => Row {
                other_groups: &["events.k8s.io"],
                plural: "events",
                field_selector: Some("reason=nodeAssigned"),
                purpose: Purpose::Announcements,
                ..CORE
            },
            Self::Job => Row {
                group: "batch",
                plural: "jobs",
                content: Content::Metadata,
                purpose: Purpose::Workloads,
                ..CORE
            },
            // Every node renews one in kube-node-lease every ten seconds.
            Self::Lease => Row {
                group: "coordination.k8s.io",
                plural: "leases",
                field_selector: Some("metadata.namespace!=kube-node-lease"),
                purpose: Purpose::Announcements,
                ..CORE
            },
            Self::Namespace => Row { plural: "namespaces", scope: Scope::Cluster, ..CORE },
            // Its first group was `extensions`. That version is not understood, but it is no other kind either.
            Self::NetworkPolicy => Row {
                group: "networking.k8s.io",
                other_groups: &["extensions"],
                versions: Versions::Only("v1"),
                plural: "networkpolicies",
                purpose: Purpose::Policies,
                ..CORE
            },
            Self::Node => Row { plural: "nodes", scope: Scope::Cluster, ..CORE },
            Self::Pod => Row { plural: "pods", ..CORE },
            Self::ReplicaSet => Row {
                group: "apps",
                plural: "replicasets",
                content: Content::Metadata,
                purpose: Purpose::Workloads,
                ..CORE
            },
            Self::Service => Row { plural: "services", ..CORE },
            Self::ServiceL2Status => Row {
                group: "metallb.io",
                versions: Versions::Only("v1beta1"),
                plural: "servicel2statuses",
                presence: Presence::Optional,
                purpose: Purpose::Announcements,
                ..CORE
            },
        }
    }
}
