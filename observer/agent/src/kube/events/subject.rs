//! Decides which object an Event is about, and which agent writes it.

use arcstr::ArcStr;
use flow_model::finding::{EventObject, Finding};
use flow_model::inventory::{Inventory, Pod};
use flow_model::object_ref::ObjectRef;
use flow_model::record::Endpoint;
use flow_objects::kinds::Kind;

/// An object, as an Event refers to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) namespace: ArcStr,
    pub(super) name: ArcStr,
    /// `kubectl describe` finds Events by it. The inventory does not have it for Services.
    pub(super) uid: Option<ArcStr>,
}

/// The object that an Event is about, and a related one, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) regarding: Object,
    pub(super) related: Option<Object>,
}

impl Subject {
    /// Is true where several agents may write the Event. An Event about a pod is written by the agent of its node
    /// alone.
    pub(super) fn is_shared(&self) -> bool {
        self.regarding.kind != Kind::Pod
    }
}

/// Returns the object to which this node's agent reports a finding, if there is one and no other node's agent reports
/// it.
pub(super) fn of(finding: &Finding, inventory: &Inventory, node: &str) -> Option<Subject> {
    let look = Look { finding, inventory, node };
    let (regarding, related) = match finding.kind.traits().event_object {
        EventObject::Client => look.flow()?,
        EventObject::Policy => match look.policy() {
            Some(policy) => (policy, look.client().map(object)),
            None => look.flow()?,
        },
        EventObject::VipService => (look.service_of_vip()?, None),
        EventObject::Server => (look.server()?, None),
        EventObject::Node => (look.own_node()?, None),
    };
    Some(Subject { related: related.filter(|related| *related != regarding), regarding })
}

/// Is true unless the object is a pod that is gone. What concerns it no longer matters to anybody.
pub(super) fn is_there(subject: &Subject, inventory: &Inventory) -> bool {
    let Object { kind, namespace, name, uid } = &subject.regarding;
    let is_it = |pod: &Pod| {
        pod.namespace == *namespace && pod.name == *name && uid.as_ref().is_none_or(|uid| pod.uid == *uid)
    };
    *kind != Kind::Pod || inventory.pods.iter().any(|pod| is_it(pod))
}

struct Look<'a> {
    finding: &'a Finding,
    inventory: &'a Inventory,
    node: &'a str,
}

impl<'a> Look<'a> {
    /// Returns the client pod, for the agent of its node. A client that is no pod has no Events, so what it addressed
    /// has them.
    fn flow(&self) -> Option<(Object, Option<Object>)> {
        let policy = self.policy();
        if self.finding.src.as_ref().is_some_and(|src| src.pod.is_some()) {
            let client = self.client().filter(|pod| self.is_here(pod))?;
            return Some((object(client), policy.or_else(|| self.service())));
        }
        Some((self.server()?, policy))
    }

    fn server(&self) -> Option<Object> {
        let pod = || self.pod(self.finding.dst.as_ref()).filter(|pod| self.is_here(pod)).map(object);
        self.service().or_else(pod)
    }

    fn client(&self) -> Option<&'a Pod> {
        self.pod(self.finding.src.as_ref())
    }

    fn pod(&self, endpoint: Option<&Endpoint>) -> Option<&'a Pod> {
        let Endpoint { namespace: Some(namespace), pod: Some(name), .. } = endpoint? else { return None };
        let mut pods = self.inventory.pods.iter();
        pods.find(|pod| pod.namespace == *namespace && pod.name == *name).map(|pod| &**pod)
    }

    fn is_here(&self, pod: &Pod) -> bool {
        pod.node.as_deref() == Some(self.node)
    }

    fn service(&self) -> Option<Object> {
        let ObjectRef { namespace, name } = self.finding.dst.as_ref()?.service.clone()?;
        Some(service(namespace, name))
    }

    fn service_of_vip(&self) -> Option<Object> {
        let vip = self.finding.vip.as_ref()?.parse().ok()?;
        let services = self.inventory.services.iter().filter(|service| service.vips.contains(&vip));
        // Of several that share it always the same one.
        let first = services.min_by_key(|service| (&service.namespace, &service.name))?;
        Some(service(first.namespace.clone(), first.name.clone()))
    }

    /// Returns the Node of this agent. The kubelet uses the name as uid, so that `kubectl describe node` finds its Events.
    fn own_node(&self) -> Option<Object> {
        let name = ArcStr::from(self.node);
        let known = self.inventory.nodes.iter().any(|node| node.name == name);
        known.then(|| Object { kind: Kind::Node, namespace: ArcStr::new(), uid: Some(name.clone()), name })
    }

    fn policy(&self) -> Option<Object> {
        let named = |wanted: &ObjectRef| {
            let mut policies = self.inventory.policies.namespaced.iter();
            policies.find(|policy| wanted.is(&policy.namespace, &policy.name))
        };
        let policy = self.finding.policies.iter().find_map(named)?;
        Some(Object {
            kind: Kind::NetworkPolicy,
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
            uid: Some(policy.origin.uid.clone()).filter(|uid| !uid.is_empty()),
        })
    }
}

fn object(pod: &Pod) -> Object {
    let Pod { namespace, name, uid, .. } = pod;
    Object {
        kind: Kind::Pod,
        namespace: namespace.clone(),
        name: name.clone(),
        uid: Some(uid.clone()).filter(|uid| !uid.is_empty()),
    }
}

fn service(namespace: ArcStr, name: ArcStr) -> Object {
    Object { kind: Kind::Service, namespace, name, uid: None }
}
