//! One Kubernetes object, reduced to what the inventory needs of it.

use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Backend, Namespace, Node, Pod, Service, Workload};
use flow_model::object_ref::ObjectRef;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::announcers::{self, AnnouncerBody};
use crate::convert;
use crate::names::shared;
use crate::policy::{self, PolicyBody};

/// An object, converted. Made outside the index, so that the index only stores.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its kind, as counted: `Pod`; `Service.serving.knative.dev` for one that is not what its kind suggests.
    pub kind: ArcStr,
    /// Its name.
    pub key: ObjectRef,
    pub(super) body: Body,
}

/// What is kept, by kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    Pod(PodBody),
    /// A ReplicaSet or a Job: only its controller matters.
    Owner(Option<Workload>),
    Service(ServiceBody),
    Slice(SliceBody),
    Endpoints(Vec<Backend>),
    Node(Arc<Node>),
    Namespace(Arc<Namespace>),
    Policy(PolicyBody),
    Announcer(AnnouncerBody),
    /// Counted only.
    Other,
}

/// A pod whose workload may have to be looked up.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodBody {
    /// With the workload that the pod alone tells.
    pub(super) pod: Arc<Pod>,
    /// Controller, as the pod names it.
    pub(super) owner: Option<Workload>,
    pub(super) ready: bool,
}

/// A Service without its backends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServiceBody {
    pub(super) service: Arc<Service>,
    /// `status.loadBalancer.ingress[].ip`.
    pub(super) ingress: Vec<IpAddr>,
}

/// Backends of a Service, or some of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SliceBody {
    pub(super) service: Option<ArcStr>,
    pub(super) backends: Vec<Backend>,
}

/// Kinds whose content is read, with their API groups.
const READ: [(&str, &str); 17] = [
    ("", "Pod"),
    ("", "Service"),
    ("", "Endpoints"),
    ("", "Node"),
    ("", "Namespace"),
    ("apps", "ReplicaSet"),
    ("batch", "Job"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("networking.k8s.io", "NetworkPolicy"),
    // Its first home; a version that is not read, but no other kind either.
    ("extensions", "NetworkPolicy"),
    ("policy.networking.k8s.io", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"),
    ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
    ("metallb.io", "ServiceL2Status"),
    ("coordination.k8s.io", "Lease"),
    // Two forms of the same objects.
    ("", "Event"),
    ("events.k8s.io", "Event"),
];

impl Object {
    /// Kind and name of an object that has both, as [`Object::from_value`] gives them.
    pub fn identify(value: &Value) -> Option<(ArcStr, ObjectRef)> {
        identify(value).ok().map(|identity| (identity.kind, identity.key))
    }

    /// Converts one object. What is wrong goes into `notes`: with `None` the object can't be used at all,
    /// else it is used without the values that the notes name.
    pub fn from_value(value: Value, notes: &mut Vec<String>) -> Option<Self> {
        let identity = match identify(&value) {
            Ok(identity) => identity,
            Err(why) => {
                notes.push(why);
                return None;
            }
        };
        let mut found = Vec::new();
        let body = body(&identity, value, &mut found);
        let (kind, key) = (&identity.kind, &identity.key);
        match body {
            Ok(body) => {
                notes.extend(found.into_iter().map(|note| format!("{kind} {key}: {note}")));
                Some(Self { kind: kind.clone(), key: key.clone(), body })
            }
            Err(why) => {
                notes.push(format!("{kind} {key} is left out: {why}"));
                None
            }
        }
    }
}

/// What an object says of itself, before its content is read.
struct Identity {
    kind: ArcStr,
    key: ObjectRef,
    /// Its content is read, not only counted.
    read: bool,
}

fn identify(value: &Value) -> Result<Identity, String> {
    let Some(kind) = value.get("kind").and_then(Value::as_str).filter(|kind| !kind.is_empty()) else {
        return Err("not a Kubernetes object: it has no `kind`".to_owned());
    };
    let text = |field: &str| {
        let text = value.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let namespace = text("namespace");
    let metadata = value.get("metadata");
    if metadata.and_then(|m| m.get("namespace")).is_some_and(|n| !n.is_null() && !n.is_string()) {
        return Err(format!("{kind}: `metadata.namespace` must be text"));
    }
    let name = text("name").ok_or_else(|| match namespace {
        Some(namespace) => format!("{kind} in namespace {namespace} has no `metadata.name`"),
        None => format!("{kind} has no `metadata.name`"),
    })?;
    let api_version = value.get("apiVersion").and_then(Value::as_str);
    let group = api_version.map(|v| v.split_once('/').map_or("", |(group, _)| group));
    let mut known = READ.iter().filter(|(_, k)| *k == kind).peekable();
    let same_name = known.peek().is_some();
    let read = known.any(|(g, _)| group.is_none_or(|group| group == *g));
    let kind = match (same_name, read) {
        (true, false) => arcstr::format!("{kind}.{}", group.unwrap_or_default()),
        _ => shared(kind),
    };
    let namespace = match &*kind {
        "Node" | "Namespace" => "",
        "AdminNetworkPolicy" | "BaselineAdminNetworkPolicy" | "ClusterNetworkPolicy" => "",
        _ => namespace.unwrap_or("default"),
    };
    Ok(Identity { kind, key: ObjectRef { namespace: shared(namespace), name: name.into() }, read })
}

fn body(identity: &Identity, mut value: Value, notes: &mut Vec<String>) -> Result<Body, String> {
    if !identity.read {
        return Ok(Body::Other);
    }
    let key = &identity.key;
    Ok(match &*identity.kind {
        "Pod" => Body::Pod(convert::pod(key, typed::<core::Pod>(value)?, notes)),
        "ReplicaSet" | "Job" => Body::Owner(convert::controller(&metadata(&mut value)?)),
        "Service" => Body::Service(convert::service(key, typed::<core::Service>(value)?, notes)),
        "EndpointSlice" => {
            // v1beta1 differs from v1 only in fields that are not used here.
            value["apiVersion"] = Value::from("discovery.k8s.io/v1");
            Body::Slice(convert::slice(&typed::<discovery::EndpointSlice>(value)?, notes))
        }
        "Endpoints" => Body::Endpoints(convert::endpoints(typed::<core::Endpoints>(value)?, notes)),
        "Node" => Body::Node(Arc::new(convert::node(key, typed::<core::Node>(value)?, notes))),
        "Namespace" => {
            let mut labels = convert::labels(metadata(&mut value)?.labels);
            labels.insert(convert::NAME_LABEL, key.name.clone());
            Body::Namespace(Arc::new(Namespace { name: key.name.clone(), labels }))
        }
        "NetworkPolicy" | "AdminNetworkPolicy" | "BaselineAdminNetworkPolicy" | "ClusterNetworkPolicy" => {
            let policy = policy::read(&identity.kind, key, &value);
            if let PolicyBody::Broken(broken) = &policy {
                notes.push(broken.why.to_string());
            }
            Body::Policy(policy)
        }
        "ServiceL2Status" | "Lease" | "Event" => {
            announcers::read(&identity.kind, key, value, notes)?.map_or(Body::Other, Body::Announcer)
        }
        _ => Body::Other,
    })
}

/// Parses the whole object; an error names the field.
pub(super) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|e| e.to_string())
}

fn metadata(value: &mut Value) -> Result<ObjectMeta, String> {
    typed(value["metadata"].take()).map_err(|e| format!("metadata.{e}"))
}
