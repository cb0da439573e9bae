//! Services with their backends.

use std::collections::HashMap;
use std::sync::Arc;

use flow_model::inventory::{Backend, Pod, Service};
use flow_model::object_ref::ObjectRef;

use crate::convert::ServiceBody;
use crate::index::Index;
use crate::index::backends::{order, pod_backends};
use crate::kinds::Kind;
use crate::object::Body;

impl Index {
    /// Returns all Services, sorted by namespace and name.
    pub(super) fn services(&self) -> Vec<Arc<Service>> {
        let mut slices = self.slices();
        let services = self.service_bodies();
        services.map(|(key, body)| self.with_backends(&body.service, slices.remove(key))).collect()
    }

    /// Returns all Services without their backends.
    pub(super) fn service_bodies(&self) -> impl Iterator<Item = (&ObjectRef, &ServiceBody)> {
        self.bodies(Kind::Service).filter_map(|(key, body)| match body {
            Body::Service(service) => Some((key, service)),
            _ => None,
        })
    }

    /// Returns a Service without its backends.
    pub(super) fn service(&self, key: &ObjectRef) -> Option<&ServiceBody> {
        match self.kinds.get(Kind::Service.name())?.get(key)? {
            Body::Service(body) => Some(body),
            _ => None,
        }
    }

    /// Returns the backends in slices, by Service. A Service whose slices are empty is included.
    fn slices(&self) -> HashMap<ObjectRef, Vec<Backend>> {
        let mut out: HashMap<ObjectRef, Vec<Backend>> = HashMap::new();
        for (key, body) in self.bodies(Kind::EndpointSlice) {
            if let Body::Slice(slice) = body
                && let Some(name) = &slice.service
            {
                let key = ObjectRef { namespace: key.namespace.clone(), name: name.clone() };
                out.entry(key).or_default().extend(slice.backends.iter().cloned());
            }
        }
        out
    }

    /// Returns the Service with the backends of its slices, or without any slice with the pods that its selector finds.
    fn with_backends(&self, service: &Arc<Service>, slices: Option<Vec<Backend>>) -> Arc<Service> {
        let mut backends = slices.unwrap_or_else(|| self.selected(service));
        if backends.is_empty() {
            return Arc::clone(service);
        }
        // A backend may be in two slices while it moves from one to the other.
        backends.sort_by(|a, b| order(a).cmp(&order(b)));
        backends.dedup_by(|a, b| order(a).0 == order(b).0);
        Arc::new(Service { backends, ..Service::clone(service) })
    }

    fn selected(&self, service: &Service) -> Vec<Backend> {
        if service.selector.is_empty() {
            return Vec::new();
        }
        let selects = |pod: &Pod| service.selector.iter().all(|(k, v)| pod.labels.get(k) == Some(v));
        let matching = self.pods().filter(|p| p.pod.namespace == service.namespace && selects(&p.pod));
        matching.flat_map(|body| pod_backends(service, body)).collect()
    }
}
