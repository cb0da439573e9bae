//! The state of the cluster at one moment, in types of this project. What reads the objects makes it; whoever judges or
//! names by it needs no Kubernetes types.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::network::{Enforcer, LocalDns, Route};
use crate::object_ref::ObjectRef;
use crate::policies::Policies;
use crate::vip::ClaimSource;

/// Labels of an object.
pub type Labels = BTreeMap<ArcStr, ArcStr>;

/// An immutable snapshot of the cluster. A source publishes a new one only when something changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    pub pods: Vec<Arc<Pod>>,
    pub services: Vec<Arc<Service>>,
    pub nodes: Vec<Arc<Node>>,
    pub namespaces: Vec<Arc<Namespace>>,
    #[serde(default)]
    pub policies: Policies,
    /// The announcers of addresses, according to the API.
    #[serde(default)]
    pub announcers: Vec<Arc<Announcer>>,
    /// The enforcer of the NetworkPolicies, as far as its objects show it: `spec` where none is known, `kube-router`,
    /// `calico` or `cilium`.
    #[serde(default)]
    #[schemars(with = "String")]
    pub enforcer: Enforcer,
    /// The cache that answers DNS on every node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_dns: Option<LocalDns>,
    /// A pod as each workload would make it, without a node and without addresses. Only files have the workloads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Arc<Pod>>,
    /// Objects per kind, for `cluster_objects`; kinds that are not read are counted too.
    #[schemars(with = "BTreeMap<String, u64>")]
    pub objects: BTreeMap<ArcStr, u64>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pod {
    #[schemars(with = "String")]
    pub namespace: ArcStr,
    #[schemars(with = "String")]
    pub name: ArcStr,
    #[schemars(with = "String")]
    pub uid: ArcStr,
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: Labels,
    /// `spec.nodeName`.
    #[schemars(with = "Option<String>")]
    pub node: Option<ArcStr>,
    /// `status.podIPs`. A finished pod has none.
    pub ips: Vec<IpAddr>,
    /// Its addresses in other networks than the cluster's, from Multus' annotation. Another pod may have the same in a network
    /// of its own, and so may anything in the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached_ips: Vec<IpAddr>,
    /// `status.hostIPs`: addresses of its node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_ips: Vec<IpAddr>,
    pub host_network: bool,
    /// The pod has succeeded or failed.
    pub finished: bool,
    /// `metadata.deletionTimestamp` is set. The pod still has its addresses.
    pub deleting: bool,
    /// `status.startTime`, else `metadata.creationTimestamp`.
    pub start: Option<Timestamp>,
    pub workload: Workload,
    pub ports: Vec<ContainerPort>,
    /// The probes by which the kubelet of its node connects to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
}

/// A probe of a container with a TCP port: `httpGet`, `tcpSocket` or `grpc`. Source:
/// <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    pub kind: ProbeKind,
    pub port: u16,
}

/// What a probe decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProbeKind {
    Liveness,
    Readiness,
    Startup,
}

impl ProbeKind {
    /// Returns its name in a sentence, e.g. `liveness probe`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Liveness => "liveness probe",
            Self::Readiness => "readiness probe",
            Self::Startup => "startup probe",
        }
    }
}

impl Pod {
    /// Returns its name.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef::new(self.namespace.clone(), self.name.clone())
    }
}

/// The owner that people think of: the Deployment rather than its ReplicaSet, the CronJob rather than its Job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Workload {
    #[schemars(with = "String")]
    pub kind: ArcStr,
    #[schemars(with = "String")]
    pub name: ArcStr,
}

/// A port that a container declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerPort {
    #[schemars(with = "Option<String>")]
    pub name: Option<ArcStr>,
    /// `TCP`, `UDP` or `SCTP`.
    #[schemars(with = "String")]
    pub protocol: ArcStr,
    pub port: u16,
    /// The port of the node that leads to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPort>,
    /// It is a port of an init container that keeps running.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sidecar: bool,
}

/// `hostPort` and `hostIP` of a container port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostPort {
    pub port: u16,
    /// `None`: on every address of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    #[schemars(with = "String")]
    pub namespace: ArcStr,
    #[schemars(with = "String")]
    pub name: ArcStr,
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: Labels,
    #[schemars(with = "BTreeMap<String, String>")]
    pub selector: Labels,
    /// `spec.clusterIPs`, without `None`.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.externalIPs`, `spec.loadBalancerIP` and `status.loadBalancer.ingress[].ip`.
    pub external_ips: Vec<IpAddr>,
    /// Those of them that load balancers announce: ingress, `loadBalancerIP`, `externalIPs`, and those that
    /// MetalLB's and kube-vip's annotations ask for.
    #[serde(default)]
    pub vips: Vec<IpAddr>,
    pub ports: Vec<ServicePort>,
    /// `spec.externalTrafficPolicy: Local`: clients from outside keep their address.
    #[serde(default)]
    pub external_local: bool,
    /// `spec.internalTrafficPolicy: Local`: clients reach the backends of their own node only.
    #[serde(default, skip_serializing_if = "is_false")]
    pub internal_local: bool,
    /// `spec.clusterIP: None`: its name stands for the backends' own addresses, and no port is replaced.
    #[serde(default, skip_serializing_if = "is_false")]
    pub headless: bool,
    /// `spec.externalName` of a Service that is an alias for that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub external_name: Option<ArcStr>,
    /// `spec.loadBalancerSourceRanges`, which kube-proxy applies at the load balancer's addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub source_ranges: Vec<IpNet>,
    /// Those of `vips` with `ipMode: Proxy`. Nodes don't take what goes to them: it leaves for the load balancer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxied_ips: Vec<IpAddr>,
    /// The backends from EndpointSlices, else the pods that the selector finds.
    pub backends: Vec<Backend>,
}

impl Service {
    /// Is true for a pod that its selector matches.
    #[must_use]
    pub fn selects(&self, pod: &Pod) -> bool {
        let has = |(key, value)| pod.labels.get(key) == Some(value);
        self.namespace == pod.namespace && !self.selector.is_empty() && self.selector.iter().all(has)
    }
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServicePort {
    #[schemars(with = "Option<String>")]
    pub name: Option<ArcStr>,
    #[schemars(with = "String")]
    pub protocol: ArcStr,
    pub port: u16,
    pub node_port: Option<u16>,
    /// Number or name, as written; the resolved numbers are in [`Backend::port`].
    #[schemars(with = "Option<String>")]
    pub target_port: Option<ArcStr>,
}

impl Service {
    /// Returns its name.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef::new(self.namespace.clone(), self.name.clone())
    }
}

/// An address and a port behind a port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backend {
    pub ip: IpAddr,
    /// Number of the container port.
    pub port: u16,
    #[schemars(with = "String")]
    pub protocol: ArcStr,
    /// Name of the Service port it serves.
    #[schemars(with = "Option<String>")]
    pub port_name: Option<ArcStr>,
    pub ready: bool,
    /// Pod named by `targetRef`, in the Service's namespace.
    #[schemars(with = "Option<String>")]
    pub pod: Option<ArcStr>,
    /// The node that it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub node: Option<ArcStr>,
}

/// An object that names the node which announces a Service's address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Announcer {
    pub source: ClaimSource,
    /// The object's kind, for the remedy: `ServiceL2Status`, `Lease`, `Event`, `Service`.
    #[schemars(with = "String")]
    pub kind: ArcStr,
    #[schemars(with = "String")]
    pub namespace: ArcStr,
    #[schemars(with = "String")]
    pub name: ArcStr,
    /// `namespace/name` of the Service, where the object names one; a kube-vip lease may stand for all.
    pub service: Option<ObjectRef>,
    /// Nodes it names, by name or by address; empty where the status is empty.
    #[schemars(with = "Vec<String>")]
    pub nodes: Vec<ArcStr>,
    /// The time at which it last moved to another node: creation, `leaseTransitions`' time, the event's first time.
    pub since: Option<Timestamp>,
    /// `spec.leaseTransitions`.
    pub transitions: Option<u64>,
}

/// A node of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    #[schemars(with = "String")]
    pub name: ArcStr,
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: Labels,
    /// `status.addresses` that are IPs.
    pub ips: Vec<IpAddr>,
    /// The addresses to which flannel of other nodes sends its packets (`flannel.alpha.coreos.com/public-ip`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flannel_ips: Vec<IpAddr>,
    /// `spec.podCIDRs`, as written.
    #[schemars(with = "Vec<String>")]
    pub pod_cidrs: Vec<ArcStr>,
    /// `status.nodeInfo.kubeletVersion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kubelet: Option<ArcStr>,
    /// The way to pods of other nodes: `tunnel` or `direct`, and nothing where it isn't known.
    #[schemars(with = "String")]
    #[serde(default, skip_serializing_if = "Route::is_unknown")]
    pub route: Route,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Namespace {
    #[schemars(with = "String")]
    pub name: ArcStr,
    /// Always with `kubernetes.io/metadata.name`, as the API server sets it.
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: Labels,
}
