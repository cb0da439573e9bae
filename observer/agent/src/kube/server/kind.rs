//! What is asked for. The ClusterRole in `deploy/base/rbac.yaml` grants exactly this.

use kube::core::Request;

/// One kind, and where the server has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// `v1` for the core group.
    pub(super) group_version: &'static str,
    pub(super) plural: &'static str,
    /// What the server leaves out for us.
    pub(super) fields: Option<&'static str>,
    /// The rest is not sent.
    pub(super) metadata_only: bool,
    /// A server may lack it.
    pub(super) optional: bool,
}

const fn kind(name: &'static str, group_version: &'static str, plural: &'static str) -> Kind {
    Kind { name, group_version, plural, fields: None, metadata_only: false, optional: false }
}

const fn optional(name: &'static str, group_version: &'static str, plural: &'static str) -> Kind {
    Kind { optional: true, ..kind(name, group_version, plural) }
}

const fn owner(name: &'static str, group_version: &'static str, plural: &'static str) -> Kind {
    Kind { metadata_only: true, ..kind(name, group_version, plural) }
}

pub(super) const SLICES: &str = "EndpointSlice";
pub(super) const ENDPOINTS: &str = "Endpoints";

pub(super) const KINDS: [Kind; 15] = [
    kind("Namespace", "v1", "namespaces"),
    kind("Node", "v1", "nodes"),
    kind("Pod", "v1", "pods"),
    kind("Service", "v1", "services"),
    kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    optional(SLICES, "discovery.k8s.io/v1", "endpointslices"),
    // Only while there are no EndpointSlices.
    kind(ENDPOINTS, "v1", "endpoints"),
    owner("ReplicaSet", "apps/v1", "replicasets"),
    owner("Job", "batch/v1", "jobs"),
    optional("AdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1", "adminnetworkpolicies"),
    optional(
        "BaselineAdminNetworkPolicy",
        "policy.networking.k8s.io/v1alpha1",
        "baselineadminnetworkpolicies",
    ),
    optional("ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2", "clusternetworkpolicies"),
    optional("ServiceL2Status", "metallb.io/v1beta1", "servicel2statuses"),
    // Every node renews one in that namespace every ten seconds.
    Kind {
        fields: Some("metadata.namespace!=kube-node-lease"),
        ..kind("Lease", "coordination.k8s.io/v1", "leases")
    },
    Kind { fields: Some("reason=nodeAssigned"), ..kind("Event", "v1", "events") },
];

impl Kind {
    /// Requests for all objects of the kind.
    pub(super) fn request(&self) -> Request {
        Request::new(format!("{}/{}", self.discovery(), self.plural))
    }

    /// Where the server lists the kinds of this group and version.
    pub(super) fn discovery(&self) -> String {
        let root = if self.group_version.contains('/') { "/apis" } else { "/api" };
        format!("{root}/{}", self.group_version)
    }
}
