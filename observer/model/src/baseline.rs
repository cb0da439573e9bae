//! The baseline of observed flows that an audit compares proposed policies with: the answer of `/api/v1/snapshot`.
//!
//! It stands alone, so that it can be kept in a file and read where there is no cluster: flows carry the labels and
//! ports of their pods, and the inventory is with them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::{ContainerPort, Inventory, Labels, Pod, Workload};
use crate::object_ref::ObjectRef;
use crate::policies::Protocol;

/// The current version. New fields don't raise it; it rises when old readers would misunderstand the answer.
pub const VERSION: u32 = 1;

/// The flows that one agent saw, and the cluster as the agent knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Snapshot")]
pub struct Baseline {
    #[schemars(extend("const" = VERSION))]
    pub version: u32,
    /// The agent's node.
    #[schemars(with = "String")]
    pub node: ArcStr,
    pub time: Timestamp,
    pub inventory: Arc<Inventory>,
    /// Most recently seen first.
    pub flows: Vec<BaselineFlow>,
    /// Number of flows that newer ones replaced because there were too many.
    #[serde(default)]
    pub lost: u64,
    /// What could not be read, so that the inventory or the flows lack it or have it as it was before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// Something that a snapshot lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Missing {
    /// The kind of objects, or whose flows.
    #[schemars(with = "String")]
    pub what: ArcStr,
    /// The reason, for people.
    #[schemars(with = "String")]
    pub why: ArcStr,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} missing: {}", self.what, self.why)
    }
}

/// Connections from one workload to another, on one port. Sides outside the cluster are distinguished by address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Flow")]
pub struct BaselineFlow {
    pub src: BaselineEnd,
    pub dst: BaselineEnd,
    /// The port after DNAT, where that was seen; otherwise the port that the client used.
    pub port: u16,
    /// Port of the Service, where one was addressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_port: Option<u16>,
    #[serde(default)]
    pub protocol: Protocol,
    /// Attempts that were established. It is 0 when the agent knows only a connection that was open before it started.
    pub count: u64,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// Connections open at the time of the snapshot.
    #[serde(default)]
    pub open: u64,
}

/// A side of a flow: the newest pod seen there, or an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FlowEnd")]
pub struct BaselineEnd {
    /// The address after DNAT, as for [`BaselineFlow::port`].
    pub ip: IpAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub namespace: Option<ArcStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub pod: Option<ArcStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub workload: Option<ArcStr>,
    /// Kind of the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kind: Option<ArcStr>,
    /// Labels of the pod; absent when the pod was gone before its labels were known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<std::collections::BTreeMap<String, String>>")]
    pub labels: Option<Labels>,
    /// Container ports of the pod, for named ports of policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ContainerPort>,
    /// The node the pod runs on; without a pod, the node whose address this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub node: Option<ArcStr>,
    /// The pod is in its node's network: policies see a node.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub host_network: bool,
    /// `namespace/name` of the Service that was addressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ObjectRef>,
    /// The address that the client used, where a node replaced it by `ip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<IpAddr>,
}

/// The reason why a baseline can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error("it is not JSON, or not the answer of /api/v1/snapshot: {0}")]
    NotOne(serde_json::Error),
    #[error("its version is {0}; this flow-observer reads version {VERSION}: use the agent's own release")]
    Version(u64),
    #[error("it can't be read: {0}")]
    Damaged(serde_json::Error),
}

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Baseline {
    /// Reads one. Fields that this release doesn't know are passed over: a newer agent may have written it.
    ///
    /// # Errors
    /// Fails when the JSON is no baseline, is one of another version, or is damaged.
    pub fn from_json(json: &[u8]) -> Result<Self, BaselineError> {
        // The text is long, and is read a second time only to tell what is wrong with it.
        match serde_json::from_slice::<Self>(json) {
            Ok(baseline) if baseline.version == VERSION => Ok(baseline),
            read => {
                let Versioned { version } = serde_json::from_slice(json).map_err(BaselineError::NotOne)?;
                if version != u64::from(VERSION) {
                    return Err(BaselineError::Version(version));
                }
                read.map_err(BaselineError::Damaged)
            }
        }
    }
}

impl BaselineEnd {
    /// An address of which nothing else is known.
    #[must_use]
    pub fn bare(ip: IpAddr) -> Self {
        Self {
            ip,
            namespace: None,
            pod: None,
            workload: None,
            kind: None,
            labels: None,
            ports: Vec::new(),
            node: None,
            host_network: false,
            service: None,
            used: None,
        }
    }

    /// The pod as it was, to be judged although it is gone. `None` where it is no pod, or its labels aren't known.
    #[must_use]
    pub fn to_pod(&self) -> Option<Pod> {
        let (namespace, name) = (self.namespace.clone()?, self.pod.clone()?);
        let workload = Workload {
            kind: self.kind.clone().unwrap_or(arcstr::literal!("Pod")),
            name: self.workload.clone().unwrap_or_else(|| name.clone()),
        };
        Some(Pod {
            namespace,
            name,
            uid: ArcStr::new(),
            labels: self.labels.clone()?,
            node: self.node.clone(),
            ips: vec![self.ip],
            host_network: self.host_network,
            finished: false,
            deleting: false,
            start: None,
            workload,
            ports: self.ports.clone(),
            ..Pod::default()
        })
    }
}

#[cfg(test)]
mod tests;
