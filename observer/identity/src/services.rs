//! Which Service an address and port belong to.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Backend, Inventory, Pod, Service, Workload};
use flow_model::object_ref::ObjectRef;
use jiff::Timestamp;

use crate::RETENTION;
use crate::tenures::Tenures;

/// Services remembered after they are gone.
const MAX_GONE: usize = 4096;

type Key = (ArcStr, ArcStr);

/// A Service, as those who connect to it see it.
#[derive(Clone, Debug)]
pub(super) struct Front {
    pub(super) service: Arc<Service>,
    pub(super) name: ObjectRef,
    /// The workload of all its backends; of those it had last, if it has none.
    pub(super) workload: Option<Workload>,
    /// When it was seen to be gone.
    until: Option<Timestamp>,
}

/// All Services, and their addresses.
#[derive(Debug, Default)]
pub(super) struct Services {
    fronts: HashMap<Key, Arc<Front>>,
    ports: HashMap<(IpAddr, u16), Arc<Front>>,
    /// `None` where several Services share the address.
    addresses: HashMap<IpAddr, Option<Arc<Front>>>,
    vips: HashSet<IpAddr>,
    node_ports: HashMap<u16, Arc<Front>>,
}

impl Services {
    pub(super) fn apply(&mut self, inventory: &Inventory, tenures: &Tenures, now: Timestamp) {
        let mut old = std::mem::take(&mut self.fronts);
        let pods: HashMap<_, _> =
            inventory.pods.iter().map(|pod| ((&pod.namespace, &pod.name), pod)).collect();
        let pod_of = |service: &Service, backend: &Backend| {
            let named = backend.pod.as_ref().and_then(|name| pods.get(&(&service.namespace, name)).copied());
            named.or_else(|| tenures.owner(backend.ip, now)).map(|pod| &**pod)
        };
        for service in &inventory.services {
            let key = (service.namespace.clone(), service.name.clone());
            let front = front(service, old.remove(&key).as_deref(), pod_of);
            self.fronts.insert(key, Arc::new(front));
        }
        let gone = old.into_iter().take(MAX_GONE);
        self.fronts.extend(gone.map(|(key, front)| (key, ended(front, now))));
        self.reindex();
    }

    /// The Service whose port this is.
    pub(super) fn port(&self, ip: IpAddr, port: u16, at: Timestamp) -> Option<&Front> {
        self.ports.get(&(ip, port)).map(|front| &**front).filter(|front| front.covers(at))
    }

    /// The one Service whose address this is.
    pub(super) fn address(&self, ip: IpAddr, at: Timestamp) -> Option<&Front> {
        self.addresses.get(&ip)?.as_deref().filter(|front| front.covers(at))
    }

    /// Whether a Service, or several, have the address.
    pub(super) fn have(&self, ip: IpAddr, at: Timestamp) -> bool {
        self.addresses.get(&ip).is_some_and(|front| front.as_ref().is_none_or(|front| front.covers(at)))
    }

    /// Whether load balancers announce the address for a Service.
    pub(super) fn is_vip(&self, ip: IpAddr) -> bool {
        self.vips.contains(&ip)
    }

    /// The Service whose node port this is.
    pub(super) fn node_port(&self, port: u16, at: Timestamp) -> Option<&Front> {
        self.node_ports.get(&port).map(|front| &**front).filter(|front| front.covers(at))
    }

    /// Forgets; true if anything was.
    pub(super) fn prune(&mut self, now: Timestamp) -> bool {
        let before = self.fronts.len();
        self.fronts.retain(|_, front| front.covers(now));
        let any = self.fronts.len() != before;
        if any {
            self.reindex();
        }
        any
    }

    /// Workloads that a Service may still name.
    pub(super) fn workloads(&self) -> impl Iterator<Item = (&ArcStr, &ArcStr)> {
        self.fronts.values().filter_map(|f| Some((&f.service.namespace, &f.workload.as_ref()?.name)))
    }

    /// Services that are gone come first, so that those that live take their places. The order among equals is
    /// by name: the same inventory gives the same answers.
    fn reindex(&mut self) {
        self.ports.clear();
        self.addresses.clear();
        self.node_ports.clear();
        self.vips = self.fronts.values().flat_map(|f| &f.service.vips).map(IpAddr::to_canonical).collect();
        let mut fronts: Vec<_> = self.fronts.values().cloned().collect();
        fronts.sort_by(|a, b| (a.until.is_none(), &b.name).cmp(&(b.until.is_none(), &a.name)));
        for front in fronts {
            self.index(&front);
        }
    }

    fn index(&mut self, front: &Arc<Front>) {
        // We follow TCP: where a TCP and a UDP Service share address and port, it is the TCP one's.
        let udp = |other: &Arc<Front>, port| {
            !other.service.ports.iter().any(|p| p.port == port && p.protocol == "TCP")
        };
        for ip in addresses(&front.service) {
            for p in &front.service.ports {
                let free = self.ports.get(&(ip, p.port)).is_none_or(|o| o.until.is_some() || udp(o, p.port));
                if free || p.protocol == "TCP" {
                    self.ports.insert((ip, p.port), Arc::clone(front));
                }
            }
            let shared =
                self.addresses.get(&ip).is_some_and(|o| o.as_ref().is_none_or(|o| o.until.is_none()));
            self.addresses.insert(ip, (!shared).then(|| Arc::clone(front)));
        }
        for port in front.service.ports.iter().filter_map(|p| p.node_port) {
            self.node_ports.insert(port, Arc::clone(front));
        }
    }
}

impl Front {
    /// Whether the address is one of its VIPs.
    pub(super) fn has_vip(&self, ip: IpAddr) -> bool {
        self.service.vips.iter().any(|vip| vip.to_canonical() == ip)
    }

    fn covers(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at.duration_since(until) <= RETENTION)
    }
}

/// Each once: an address of one Service is not shared.
fn addresses(service: &Service) -> BTreeSet<IpAddr> {
    let all = service.cluster_ips.iter().chain(&service.external_ips).chain(&service.vips);
    all.map(IpAddr::to_canonical).collect()
}

fn front<'a>(
    service: &'a Arc<Service>,
    old: Option<&Front>,
    pod_of: impl Fn(&'a Service, &'a Backend) -> Option<&'a Pod>,
) -> Front {
    let mut workloads =
        service.backends.iter().map(|backend| pod_of(service, backend).map(|pod| &pod.workload));
    let workload = match workloads.next() {
        // Its pods are all gone: whoever connects now still means what was there.
        None => old.and_then(|front| front.workload.clone()),
        Some(first) => first.filter(|_| workloads.all(|other| other == first)).cloned(),
    };
    let name = match old {
        Some(front) => front.name.clone(),
        None => service.object_ref(),
    };
    Front { service: Arc::clone(service), name, workload, until: None }
}

fn ended(front: Arc<Front>, now: Timestamp) -> Arc<Front> {
    match front.until {
        Some(_) => front,
        None => Arc::new(Front { until: Some(now), ..Front::clone(&front) }),
    }
}
