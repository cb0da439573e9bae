//! The workload of each pod.

use std::sync::Arc;

use flow_model::inventory::{Pod, Workload};
use flow_model::object_ref::ObjectRef;

use crate::convert::PodBody;
use crate::index::Index;
use crate::object::Body;

impl Index {
    /// Returns the pod with its workload: the Deployment in place of a ReplicaSet and the CronJob in place of a Job, where
    /// those objects are known.
    pub(super) fn resolve_workload(&self, body: &PodBody) -> Arc<Pod> {
        let Some(workload) = body.owner.as_ref().and_then(|owner| self.owner_of(&body.pod, owner)) else {
            return Arc::clone(&body.pod);
        };
        if workload == body.pod.workload {
            return Arc::clone(&body.pod);
        }
        Arc::new(Pod { workload, ..Pod::clone(&body.pod) })
    }

    /// Returns the controller of a pod's controller. A ReplicaSet or Job that has no controller is the workload itself.
    fn owner_of(&self, pod: &Pod, owner: &Workload) -> Option<Workload> {
        let key = ObjectRef { namespace: pod.namespace.clone(), name: owner.name.clone() };
        match self.kinds.get(&owner.kind)?.get(&key)? {
            Body::Owner(above, _) => Some(above.as_ref().unwrap_or(owner).clone()),
            _ => None,
        }
    }
}
