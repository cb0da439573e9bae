//! The Service that an address and port belong to.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Backend, Inventory, ServicePort};
use flow_model::object_ref::ObjectRef;
use jiff::Timestamp;

use crate::known_service::KnownService;
use crate::tenures::Tenures;

/// Services remembered after they are gone.
const MAX_GONE: usize = 4096;

type Key = (ArcStr, ArcStr);

/// Indexes all Services by their names and addresses.
#[derive(Debug, Default)]
pub(super) struct Services {
    by_name: HashMap<Key, Arc<KnownService>>,
    ports: HashMap<(IpAddr, u16), Arc<KnownService>>,
    /// In reverse order of their names.
    addresses: HashMap<IpAddr, Vec<Arc<KnownService>>>,
    vips: HashSet<IpAddr>,
    /// The Services by those of their addresses that nodes leave to the load balancer.
    proxied: HashMap<IpAddr, ObjectRef>,
    /// In reverse order of their names, like `addresses`.
    node_ports: HashMap<u16, Vec<Arc<KnownService>>>,
}

impl Services {
    /// Takes the Services of a new snapshot, and keeps those that it lacks for a while.
    pub(super) fn apply(&mut self, inventory: &Inventory, tenures: &Tenures, now: Timestamp) {
        let mut old = std::mem::take(&mut self.by_name);
        let pods: HashMap<_, _> =
            inventory.pods.iter().map(|pod| ((&pod.namespace, &pod.name), pod)).collect();
        for service in &inventory.services {
            let key = (service.namespace.clone(), service.name.clone());
            let named = |backend: &Backend| pods.get(&(&service.namespace, backend.pod.as_ref()?)).copied();
            let known = KnownService::new(service, old.remove(&key).as_deref(), named, tenures, now);
            self.by_name.insert(key, Arc::new(known));
        }
        let gone = old.into_iter().take(MAX_GONE);
        self.by_name.extend(gone.map(|(key, known)| (key, KnownService::ended(known, now))));
        self.reindex();
    }

    /// Returns the Service of this name.
    pub(super) fn named(&self, namespace: &ArcStr, name: &ArcStr) -> Option<&KnownService> {
        self.by_name.get(&(namespace.clone(), name.clone())).map(|known| &**known)
    }

    /// Returns the Service that has the port of the address. We follow TCP: where a TCP and a UDP Service share both,
    /// it is the TCP one.
    pub(super) fn port(&self, ip: IpAddr, port: u16, at: Timestamp) -> Option<&KnownService> {
        self.ports.get(&(ip, port)).map(|known| &**known).filter(|known| known.covers(at))
    }

    /// Returns the Service that has the port of the address for the protocol, and that port of it.
    pub(super) fn port_of(
        &self,
        ip: IpAddr,
        port: u16,
        protocol: &str,
        at: Timestamp,
    ) -> Option<(&KnownService, &ServicePort)> {
        let of = |p: &&ServicePort| p.port == port && p.protocol == protocol;
        // The first is found by its port, also where it is gone and others have the address by now.
        let mut all = self.port(ip, port, at).into_iter().chain(self.at(ip, at));
        all.find_map(|known| Some((known, known.service.ports.iter().find(of)?)))
    }

    /// Returns the Services that have the address, in the order of their names.
    pub(super) fn at(&self, ip: IpAddr, at: Timestamp) -> impl Iterator<Item = &KnownService> {
        let all = self.addresses.get(&ip).into_iter().flatten().rev();
        all.map(|known| &**known).filter(move |known| known.covers(at))
    }

    /// Returns the Service that has the address, if it is the only one.
    pub(super) fn only_one_at(&self, ip: IpAddr, at: Timestamp) -> Option<&KnownService> {
        let [only] = &**self.addresses.get(&ip)? else { return None };
        only.covers(at).then_some(&**only)
    }

    /// Is true when a Service, or several, have the address.
    pub(super) fn have(&self, ip: IpAddr, at: Timestamp) -> bool {
        self.at(ip, at).next().is_some()
    }

    /// Is true when load balancers announce the address for a Service.
    pub(super) fn is_vip(&self, ip: IpAddr) -> bool {
        self.vips.contains(&ip)
    }

    /// Returns the Service whose load balancer takes the packets to this address: nodes don't (`ipMode: Proxy`).
    pub(super) fn proxied(&self, ip: IpAddr) -> Option<&ObjectRef> {
        self.proxied.get(&ip)
    }

    /// Returns the Service that has the node port: the TCP one, else any.
    pub(super) fn node_port(&self, port: u16, at: Timestamp) -> Option<&KnownService> {
        let tcp = self.node_port_of(port, "TCP", at).map(|(known, _)| known);
        tcp.or_else(|| self.with_node_port(port, at).next())
    }

    /// Returns the Service that has the node port for the protocol, and that port of it.
    pub(super) fn node_port_of(
        &self,
        port: u16,
        protocol: &str,
        at: Timestamp,
    ) -> Option<(&KnownService, &ServicePort)> {
        let of = |p: &&ServicePort| p.node_port == Some(port) && p.protocol == protocol;
        self.with_node_port(port, at).find_map(|known| Some((known, known.service.ports.iter().find(of)?)))
    }

    fn with_node_port(&self, port: u16, at: Timestamp) -> impl Iterator<Item = &KnownService> {
        let all = self.node_ports.get(&port).into_iter().flatten().rev();
        all.map(|known| &**known).filter(move |known| known.covers(at))
    }

    /// Forgets Services that have been gone for long; returns true if there were any.
    pub(super) fn prune(&mut self, now: Timestamp) -> bool {
        let before = self.by_name.len();
        self.by_name.retain(|_, known| known.covers(now));
        let any = self.by_name.len() != before;
        if any {
            self.reindex();
        }
        any
    }

    /// Returns the workloads that a Service may still name.
    pub(super) fn workloads(&self) -> impl Iterator<Item = (&ArcStr, &ArcStr)> {
        self.by_name.values().filter_map(|f| Some((&f.service.namespace, &f.workload.as_ref()?.name)))
    }

    /// Services that are gone come first, so that those that live take their places. The order among equals is by name:
    /// the same inventory gives the same answers.
    fn reindex(&mut self) {
        self.ports.clear();
        self.addresses.clear();
        self.node_ports.clear();
        self.vips = self.by_name.values().flat_map(|f| &f.service.vips).map(IpAddr::to_canonical).collect();
        let proxied = |f: &Arc<KnownService>| {
            f.service.proxied_ips.iter().map(|ip| (ip.to_canonical(), f.name.clone())).collect::<Vec<_>>()
        };
        self.proxied = self.by_name.values().filter(|f| f.is_alive()).flat_map(proxied).collect();
        let mut all: Vec<_> = self.by_name.values().cloned().collect();
        all.sort_by(|a, b| (a.is_alive(), &b.name).cmp(&(b.is_alive(), &a.name)));
        for known in all {
            self.index(&known);
        }
    }

    fn index(&mut self, known: &Arc<KnownService>) {
        let udp = |other: &Arc<KnownService>, port| {
            !other.service.ports.iter().any(|p| p.port == port && p.protocol == "TCP")
        };
        for ip in known.addresses() {
            for p in &known.service.ports {
                let free = self.ports.get(&(ip, p.port)).is_none_or(|o| !o.is_alive() || udp(o, p.port));
                if free || p.protocol == "TCP" {
                    self.ports.insert((ip, p.port), Arc::clone(known));
                }
            }
            replace_gone(self.addresses.entry(ip).or_default(), known);
        }
        for port in known.service.ports.iter().filter_map(|p| p.node_port) {
            replace_gone(self.node_ports.entry(port).or_default(), known);
        }
    }
}

/// Adds a Service to those that share an address or a port, in place of those that are gone.
fn replace_gone(holders: &mut Vec<Arc<KnownService>>, known: &Arc<KnownService>) {
    holders.retain(|other| other.is_alive());
    if !holders.iter().any(|other| Arc::ptr_eq(other, known)) {
        holders.push(Arc::clone(known));
    }
}
