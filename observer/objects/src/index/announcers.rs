//! Announcers: objects that name an announcing node, joined with the Services and nodes that exist.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;

use crate::announcers::{AnnouncerBody, EventBody, LeaseBody, LeaseOf};
use crate::convert::ServiceBody;
use crate::index::Index;
use crate::kinds::{Kind, Purpose};
use crate::object::Body;

/// The namespace in which kube-vip and Cilium keep leases for Services of all namespaces.
const SYSTEM: &str = "kube-system";

impl Index {
    /// Returns all announcers, sorted by kind, namespace, name and Service.
    pub(super) fn announcers(&self) -> Vec<Arc<Announcer>> {
        let mut out = self.ingress();
        let mut events: BTreeMap<Option<&ObjectRef>, Vec<&EventBody>> = BTreeMap::new();
        for body in self.bodies_for(Purpose::Announcements) {
            match body {
                Body::Announcer(AnnouncerBody::Whole(announcer)) => out.push(Arc::clone(announcer)),
                Body::Announcer(AnnouncerBody::Lease(lease)) => self.lease(lease, &mut out),
                Body::Announcer(AnnouncerBody::Event(event)) => {
                    events.entry(event.announcer.service.as_ref()).or_default().push(event);
                }
                _ => {}
            }
        }
        out.extend(events.values().filter_map(|events| newest(events)));
        let order = |a: &Announcer| (a.kind.clone(), a.namespace.clone(), a.name.clone(), a.service.clone());
        out.sort_by_cached_key(|announcer| order(announcer));
        out
    }

    /// Returns Services whose load balancer answers at nodes' own addresses, as that of k3s does.
    fn ingress(&self) -> Vec<Arc<Announcer>> {
        let nodes = self.node_addresses();
        let announcer = |(key, body): (&ObjectRef, &ServiceBody)| {
            let found: BTreeSet<&ArcStr> =
                body.ingress.iter().filter_map(|ip| nodes.get(ip)).copied().collect();
            (!found.is_empty()).then(|| Announcer {
                source: ClaimSource::Ingress,
                kind: Kind::Service.into(),
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                service: Some(key.clone()),
                nodes: found.into_iter().cloned().collect(),
                since: None,
                transitions: None,
            })
        };
        self.service_bodies().filter_map(announcer).map(Arc::new).collect()
    }

    fn node_addresses(&self) -> HashMap<IpAddr, &ArcStr> {
        self.nodes().flat_map(|node| node.ips.iter().map(|ip| (*ip, &node.name))).collect()
    }

    /// Adds a lease once for each of its Services. A lease whose Service isn't certain is left out: without one it would
    /// stand for all.
    fn lease(&self, lease: &LeaseBody, out: &mut Vec<Arc<Announcer>>) {
        let own = &lease.announcer.namespace;
        let by_name = match &lease.of {
            LeaseOf::Services => {
                out.push(Arc::clone(&lease.announcer));
                None
            }
            // Its holder announces the address of this Service only.
            LeaseOf::ControlPlane => Some(ObjectRef::new("default", "kubernetes")),
            LeaseOf::Name(name) => self.named(own, name),
            LeaseOf::Joined(joined) => self.joined(joined),
            LeaseOf::Annotated => None,
        };
        let announcer = |service| Announcer { service: Some(service), ..Announcer::clone(&lease.announcer) };
        let services: BTreeSet<ObjectRef> = by_name.into_iter().chain(self.annotated(lease)).collect();
        out.extend(services.into_iter().map(announcer).map(Arc::new));
    }

    /// Returns the Services whose annotation names this lease. kube-vip refuses it for a Service whose clients must keep their
    /// address, and announces none of that Service's addresses.
    fn annotated(&self, lease: &LeaseBody) -> impl Iterator<Item = ObjectRef> {
        let Announcer { namespace, name, .. } = &*lease.announcer;
        let names = move |body: &ServiceBody| {
            body.lease.as_ref().is_some_and(|lease| (&lease.namespace, &lease.name) == (namespace, name))
        };
        let services =
            self.service_bodies().filter(move |(_, body)| names(body) && !body.service.external_local);
        services.map(|(key, _)| key.clone())
    }

    /// Returns the Service of this name in this namespace. If that is kube-system and has none, it is the only Service of that
    /// name in the cluster. A Service whose annotation names a lease has no other, whatever an old one is called.
    fn named(&self, namespace: &ArcStr, name: &ArcStr) -> Option<ObjectRef> {
        let own = ObjectRef { namespace: namespace.clone(), name: name.clone() };
        match self.service(&own) {
            Some(body) => return body.lease.is_none().then_some(own),
            None if namespace != SYSTEM => return Some(own),
            None => {}
        }
        let of_name = self.service_bodies().filter(|(key, body)| key.name == *name && body.lease.is_none());
        self.only(of_name.map(|(key, _)| key.clone()))
    }

    /// Returns the Service whose namespace and name, joined by a dash, give this text.
    fn joined(&self, text: &str) -> Option<ObjectRef> {
        let split = |(at, _)| ObjectRef { namespace: text[..at].into(), name: text[at + 1..].into() };
        let is_name = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
        let named = |key: &ObjectRef| is_name(&key.namespace) && is_name(&key.name);
        let splits: Vec<ObjectRef> = text.match_indices('-').map(split).filter(named).collect();
        match &splits[..] {
            [only] => Some(only.clone()),
            _ => self.only(splits.into_iter().filter(|key| self.service(key).is_some())),
        }
    }

    /// Returns the only candidate, or the only one that has a VIP.
    fn only(&self, candidates: impl Iterator<Item = ObjectRef>) -> Option<ObjectRef> {
        let all: Vec<ObjectRef> = candidates.collect();
        if let [only] = &all[..] {
            return Some(only.clone());
        }
        let has_vip = |key: &ObjectRef| self.service(key).is_some_and(|body| !body.service.vips.is_empty());
        let mut with_vip = all.into_iter().filter(has_vip);
        with_vip.next().filter(|_| with_vip.next().is_none())
    }
}

/// Returns the newest of a Service's events, with the time since when only its node was named.
fn newest(events: &[&EventBody]) -> Option<Arc<Announcer>> {
    let order = |event: &&&EventBody| (event.last, event.announcer.since, event.announcer.name.clone());
    let newest = events.iter().max_by_key(order)?;
    let same = |event: &&&EventBody| event.announcer.nodes == newest.announcer.nodes;
    let other = events.iter().filter(|event| !same(event)).filter_map(|event| event.last).max();
    let firsts = events.iter().filter(same).filter_map(|event| event.announcer.since);
    // A repeated event keeps its first time, although another node may have announced the address in between.
    let since = firsts.filter(|first| other.is_none_or(|other| other < *first)).min().or(newest.last);
    Some(Arc::new(Announcer { since, ..Announcer::clone(&newest.announcer) }))
}
