//! A Kubernetes object, reduced to what the inventory needs of it.

mod id;

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Namespace, Node, Workload};
use flow_model::object_ref::ObjectRef;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use serde_json::Value;

use crate::announcers::{self, AnnouncerBody};
use crate::convert::{self, PodBody, ServiceBody, SliceBody, TemplateBody};
use crate::kinds::Kind;
use crate::names::shared;
use crate::policy::{self, PolicyBody, foreign, misnamed};
use crate::problem::Extent;
use crate::resource::Resource;
use crate::values::{self, NAME_LABEL, typed};

pub use id::ObjectId;

/// A converted object. It is made outside the index, so that the index only stores.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its kind and name.
    pub id: ObjectId,
    pub(crate) body: Body,
}

/// The part of an object that is kept, by kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Pod(PodBody),
    /// A ReplicaSet or a Job: its controller, and its template where the whole object was read.
    Owner(Option<Workload>, Option<TemplateBody>),
    /// A workload of another kind.
    Template(TemplateBody),
    Service(ServiceBody),
    Slice(SliceBody),
    Node(Arc<Node>),
    Namespace(Arc<Namespace>),
    Policy(PolicyBody),
    Announcer(AnnouncerBody),
    /// An object that is only counted.
    Other,
}

impl Object {
    /// Converts one object, and adds to `notes` what is wrong with it. With `None` the object can't be used at all. Otherwise
    /// it is used without the values that the notes name.
    pub fn from_value(value: Value, notes: &mut Vec<String>) -> Option<Self> {
        let id = match ObjectId::of(&value) {
            Ok(id) => id,
            Err(why) => {
                notes.push(why);
                return None;
            }
        };
        let mut found = Vec::new();
        match body(&id, value, &mut found) {
            Ok(body) => {
                notes.extend(found.into_iter().map(|note| format!("{id}: {note}")));
                Some(Self { id, body })
            }
            Err(why) => {
                notes.push(format!("{id} is left out: {why}"));
                None
            }
        }
    }

    /// Counts the object under the name of the resource that it was read from: two groups may have a kind of one name.
    #[must_use]
    pub fn of_resource(mut self, resource: Resource) -> Self {
        self.id.kind = shared(resource.name());
        self
    }

    /// Is true for a policy, also one that isn't judged.
    #[must_use]
    pub fn is_policy(&self) -> bool {
        matches!(self.body, Body::Policy(_))
    }

    /// Returns how much a note about this object affects.
    pub(crate) fn extent(&self) -> Extent {
        match &self.body {
            Body::Policy(PolicyBody::Broken(policy)) if policy.is_unjudged() => self.unjudged(),
            Body::Policy(PolicyBody::Broken(_)) => Extent::Policy(self.id.clone()),
            _ => Extent::Object,
        }
    }

    /// Makes a policy of the kinds that are judged a broken one, because its text says two things.
    pub(crate) fn doubt(&mut self, why: &str) {
        if let (Body::Policy(policy), Some(kind)) = (&mut self.body, self.id.known_kind()) {
            *policy = policy::doubtful(kind, &self.id.object, why);
        }
    }

    /// Returns how much such a doubt affects.
    pub(crate) fn extent_of_doubt(&self) -> Extent {
        match self.extent() {
            Extent::Object => self.unjudged(),
            policy => policy,
        }
    }

    fn unjudged(&self) -> Extent {
        Extent::Unjudged(arcstr::format!("{}", self.id))
    }
}

fn body(id: &ObjectId, mut value: Value, notes: &mut Vec<String>) -> Result<Body, String> {
    let key = &id.object;
    let Some(kind) = id.known_kind() else {
        if let Some(why) = misnamed::refused(&value) {
            return Err(why);
        }
        let Some(policy) = foreign::read(&id.kind, key, &value) else { return Ok(workload(id, value)) };
        notes.push(format!("isn't judged: {}", policy.why));
        return Ok(Body::Policy(PolicyBody::Broken(Arc::new(policy))));
    };
    Ok(match kind {
        Kind::Pod => Body::Pod(convert::pod(key, typed::<core::Pod>(value)?, notes)),
        Kind::ReplicaSet | Kind::Job => {
            let template = convert::template(kind.name(), key, &mut value.clone()).unwrap_or_default();
            Body::Owner(values::controller(&values::metadata(&mut value)?), template)
        }
        Kind::Service => Body::Service(convert::service(key, typed::<core::Service>(value)?, notes)),
        Kind::EndpointSlice => {
            kind.check_version(&value)?;
            Body::Slice(convert::slice(&typed::<discovery::EndpointSlice>(value)?, notes))
        }
        Kind::Node => Body::Node(Arc::new(convert::node(key, typed::<core::Node>(value)?, notes))),
        Kind::Namespace => Body::Namespace(Arc::new(namespace(&key.name, &mut value)?)),
        Kind::NetworkPolicy
        | Kind::AdminNetworkPolicy
        | Kind::BaselineAdminNetworkPolicy
        | Kind::ClusterNetworkPolicy => Body::Policy(policy(kind, key, &value, notes)),
        Kind::Event | Kind::Lease | Kind::ServiceL2Status => {
            announcers::read(kind, key, value, notes)?.map_or(Body::Other, Body::Announcer)
        }
    })
}

/// Reads an object that is only counted, unless it makes pods: then questions may name it.
fn workload(id: &ObjectId, mut value: Value) -> Body {
    match convert::template(&id.kind, &id.object, &mut value) {
        Ok(Some(template)) => Body::Template(template),
        Ok(None) | Err(_) => Body::Other,
    }
}

fn namespace(name: &ArcStr, value: &mut Value) -> Result<Namespace, String> {
    let mut labels = values::labels(values::metadata(value)?.labels);
    labels.insert(NAME_LABEL, name.clone());
    Ok(Namespace { name: name.clone(), labels })
}

fn policy(kind: Kind, key: &ObjectRef, value: &Value, notes: &mut Vec<String>) -> PolicyBody {
    let policy = policy::read(kind, key, value);
    if let PolicyBody::Broken(broken) = &policy {
        notes.push(broken.why.to_string());
    }
    policy
}
