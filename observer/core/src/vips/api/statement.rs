//! An object of the API, and one node that it names.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ApiClaim;
use jiff::Timestamp;

/// An object of the API, and one node that it names.
#[derive(Debug)]
pub(in crate::vips) struct ApiStatement {
    pub(in crate::vips) announcer: Arc<Announcer>,
    /// The node; absent where the object's status is empty.
    pub(in crate::vips) node: Option<ArcStr>,
    /// The time at which this agent first saw it.
    pub(in crate::vips) seen: Timestamp,
    /// The time since which the wire has contradicted it without a break.
    pub(in crate::vips) contradicted: Option<Timestamp>,
}

impl ApiStatement {
    pub(in crate::vips) fn object(&self) -> ObjectRef {
        ObjectRef::new(self.announcer.namespace.clone(), self.announcer.name.clone())
    }

    /// Returns the Service, where the object names one.
    pub(in crate::vips) fn service(&self) -> Option<&ObjectRef> {
        self.announcer.service.as_ref()
    }

    /// Is true where it has to agree with the wire.
    pub(in crate::vips) fn is_comparable(&self) -> bool {
        self.announcer.source.traits().describes_the_present
    }

    pub(super) fn is_same(&self, announcer: &Announcer, node: Option<&ArcStr>) -> bool {
        let Announcer { source, namespace, name, .. } = &*self.announcer;
        (*source, namespace, name) == (announcer.source, &announcer.namespace, &announcer.name)
            && self.node.as_ref() == node
    }

    pub(super) fn claim(&self) -> ApiClaim {
        ApiClaim {
            source: self.announcer.source,
            object: self.object(),
            node: self.node.clone(),
            since: self.announcer.since,
        }
    }
}
