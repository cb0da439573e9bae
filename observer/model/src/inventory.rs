//! What a cluster source knows at one moment, in our words: no Kubernetes types past `cluster/`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object_ref::ObjectRef;
use crate::policies::Policies;
use crate::vip::ClaimSource;

/// Labels of an object.
pub type Labels = BTreeMap<ArcStr, ArcStr>;

/// One immutable picture of the cluster. A source publishes a new one only when something changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    pub pods: Vec<Arc<Pod>>,
    pub services: Vec<Arc<Service>>,
    pub nodes: Vec<Arc<Node>>,
    pub namespaces: Vec<Arc<Namespace>>,
    #[serde(default)]
    pub policies: Policies,
    /// Who announces what, by the API.
    #[serde(default)]
    pub announcers: Vec<Arc<Announcer>>,
    /// Objects per kind, for `cluster_objects`; kinds we don't read are counted too.
    pub objects: BTreeMap<ArcStr, u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    pub namespace: ArcStr,
    pub name: ArcStr,
    pub uid: ArcStr,
    pub labels: Labels,
    /// `spec.nodeName`.
    pub node: Option<ArcStr>,
    /// `status.podIPs`; a finished pod owns none.
    pub ips: Vec<IpAddr>,
    pub host_network: bool,
    /// Succeeded or Failed.
    pub finished: bool,
    /// `metadata.deletionTimestamp` is set; it still owns its addresses.
    pub deleting: bool,
    /// `status.startTime`, else `metadata.creationTimestamp`.
    pub start: Option<Timestamp>,
    pub workload: Workload,
    pub ports: Vec<ContainerPort>,
}

impl Pod {
    /// Its name.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef::new(self.namespace.clone(), self.name.clone())
    }
}

/// The owner that a human thinks in: the Deployment rather than its ReplicaSet, the CronJob rather than its Job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Workload {
    pub kind: ArcStr,
    pub name: ArcStr,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerPort {
    pub name: Option<ArcStr>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: ArcStr,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub namespace: ArcStr,
    pub name: ArcStr,
    pub labels: Labels,
    pub selector: Labels,
    /// `spec.clusterIPs`, without `None`.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.externalIPs`, `spec.loadBalancerIP` and `status.loadBalancer.ingress[].ip`.
    pub external_ips: Vec<IpAddr>,
    /// Of those, the addresses that load balancers announce: ingress, `loadBalancerIP`, `externalIPs`, and those that
    /// MetalLB's and kube-vip's annotations ask for.
    #[serde(default)]
    pub vips: Vec<IpAddr>,
    pub ports: Vec<ServicePort>,
    /// `spec.externalTrafficPolicy: Local`: clients from outside keep their address.
    #[serde(default)]
    pub external_local: bool,
    /// From EndpointSlices (else Endpoints).
    pub backends: Vec<Backend>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePort {
    pub name: Option<ArcStr>,
    pub protocol: ArcStr,
    pub port: u16,
    pub node_port: Option<u16>,
    /// Number or name, as written; the resolved numbers are in [`Backend::port`].
    pub target_port: Option<ArcStr>,
}

impl Service {
    /// Its name.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef::new(self.namespace.clone(), self.name.clone())
    }
}

/// One address and port behind one Service port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    pub ip: IpAddr,
    /// Number of the container port.
    pub port: u16,
    pub protocol: ArcStr,
    /// Name of the Service port it serves.
    pub port_name: Option<ArcStr>,
    pub ready: bool,
    /// Pod named by `targetRef`, in the Service's namespace.
    pub pod: Option<ArcStr>,
}

/// An object that says which node announces a Service's address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announcer {
    pub source: ClaimSource,
    /// The object's kind, for the remedy: `ServiceL2Status`, `Lease`, `Event`, `Service`.
    pub kind: ArcStr,
    pub namespace: ArcStr,
    pub name: ArcStr,
    /// `namespace/name` of the Service, where the object names one; a kube-vip lease may stand for all.
    pub service: Option<ObjectRef>,
    /// Nodes it names, by name or by address; empty where the status is empty.
    pub nodes: Vec<ArcStr>,
    /// When it last changed hands: creation, `leaseTransitions`' time, the event's first time.
    pub since: Option<Timestamp>,
    /// `spec.leaseTransitions`.
    pub transitions: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub name: ArcStr,
    pub labels: Labels,
    /// `status.addresses` that are IPs.
    pub ips: Vec<IpAddr>,
    /// `spec.podCIDRs`, as written.
    pub pod_cidrs: Vec<ArcStr>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Namespace {
    pub name: ArcStr,
    /// Always with `kubernetes.io/metadata.name`, as the API server sets it.
    pub labels: Labels,
}
