//! The state of the cluster at one moment, in types of this project. What reads the objects makes it; whoever judges or
//! names by it needs no Kubernetes types.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// Objects per kind, for `cluster_objects`; kinds that are not read are counted too.
    #[schemars(with = "BTreeMap<String, u64>")]
    pub objects: BTreeMap<ArcStr, u64>,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    pub host_network: bool,
    /// The pod has succeeded or failed.
    pub finished: bool,
    /// `metadata.deletionTimestamp` is set. The pod still has its addresses.
    pub deleting: bool,
    /// `status.startTime`, else `metadata.creationTimestamp`.
    pub start: Option<Timestamp>,
    pub workload: Workload,
    pub ports: Vec<ContainerPort>,
}

impl Pod {
    /// Returns its name.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef::new(self.namespace.clone(), self.name.clone())
    }
}

/// The owner that people think of: the Deployment rather than its ReplicaSet, the CronJob rather than its Job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Workload {
    #[schemars(with = "String")]
    pub kind: ArcStr,
    #[schemars(with = "String")]
    pub name: ArcStr,
}

/// A port that a container declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerPort {
    #[schemars(with = "Option<String>")]
    pub name: Option<ArcStr>,
    /// `TCP`, `UDP` or `SCTP`.
    #[schemars(with = "String")]
    pub protocol: ArcStr,
    pub port: u16,
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The backends from EndpointSlices, else the pods that the selector finds.
    pub backends: Vec<Backend>,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    #[schemars(with = "String")]
    pub name: ArcStr,
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: Labels,
    /// `status.addresses` that are IPs.
    pub ips: Vec<IpAddr>,
    /// `spec.podCIDRs`, as written.
    #[schemars(with = "Vec<String>")]
    pub pod_cidrs: Vec<ArcStr>,
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
