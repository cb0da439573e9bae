//! A Service, with the pods behind it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use flow_model::inventory::{Backend, Pod, Service, Workload};
use flow_model::object_ref::ObjectRef;
use jiff::Timestamp;

use crate::tenures::{RETENTION, Tenures};

/// Holds a Service as its clients see it.
#[derive(Clone, Debug)]
pub struct KnownService {
    pub(super) service: Arc<Service>,
    pub(super) name: ObjectRef,
    /// The workload of all its backends; of those that it had last, if it has none.
    pub(super) workload: Option<Workload>,
    /// The pods that its backends name, in the order of the backends; `None` where there is no such pod.
    pods: Vec<Option<Arc<Pod>>>,
    /// The time at which it was seen to be gone.
    until: Option<Timestamp>,
}

impl KnownService {
    /// Describes a Service of a new snapshot. `named` finds the pod that a backend names, `old` is the Service as it
    /// was known before.
    pub(super) fn new<'a>(
        service: &Arc<Service>,
        old: Option<&Self>,
        named: impl Fn(&Backend) -> Option<&'a Arc<Pod>>,
        tenures: &'a Tenures,
        now: Timestamp,
    ) -> Self {
        let backends = service.backends.iter();
        let pods =
            backends.clone().map(|backend| named(backend).filter(|pod| !pod.finished).cloned()).collect();
        let mut workloads = backends.map(|backend| {
            let pod = named(backend).or_else(|| tenures.owner(backend.ip.to_canonical(), now));
            pod.map(|pod| &pod.workload)
        });
        let workload = match workloads.next() {
            // Its pods are all gone: clients that connect now still mean what was there.
            None => old.and_then(|known| known.workload.clone()),
            Some(first) => first.filter(|_| workloads.all(|other| other == first)).cloned(),
        };
        let name = match old {
            Some(known) => known.name.clone(),
            None => service.object_ref(),
        };
        Self { service: Arc::clone(service), name, workload, pods, until: None }
    }

    /// Marks the Service as gone, unless it was gone before.
    pub(super) fn ended(known: Arc<Self>, now: Timestamp) -> Arc<Self> {
        match known.until {
            Some(_) => known,
            None => Arc::new(Self { until: Some(now), ..Self::clone(&known) }),
        }
    }

    /// Returns the Service itself.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Returns each of its addresses once: one that a Service lists twice is not shared. Those are left out that nodes
    /// don't take for the Service's own.
    pub(super) fn addresses(&self) -> BTreeSet<IpAddr> {
        let Service { cluster_ips, external_ips, vips, proxied_ips, .. } = &*self.service;
        let all = cluster_ips.iter().chain(external_ips).chain(vips).map(IpAddr::to_canonical);
        all.filter(|ip| !proxied_ips.contains(ip)).collect()
    }

    /// Is true when it has not been seen to be gone.
    pub(super) fn is_alive(&self) -> bool {
        self.until.is_none()
    }

    /// Is true when the address is one of its VIPs.
    pub(super) fn has_vip(&self, ip: IpAddr) -> bool {
        self.service.vips.iter().any(|vip| vip.to_canonical() == ip)
    }

    /// Returns its backends, each with the pod that it names, if there is such a pod and it has not finished.
    pub fn backends(&self) -> impl Iterator<Item = (&Backend, Option<&Arc<Pod>>)> + Clone {
        self.service.backends.iter().zip(self.pods.iter().map(Option::as_ref))
    }

    /// Is true when it still gives its name to its addresses at that time.
    pub(super) fn covers(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at.duration_since(until) <= RETENTION)
    }
}
