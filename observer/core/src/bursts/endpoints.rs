//! Backends of Services that appeared, disappeared, or became unready from one inventory to the next.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Backend, Inventory, Pod, Service};
use flow_model::object_ref::ObjectRef;
use jiff::{SignedDuration, Timestamp};

use crate::bursts::cause::Change;
use crate::bursts::server::Server;

/// Changes older than this are no causes.
const KEEP: SignedDuration = SignedDuration::from_mins(5);
/// Changes kept.
const MAX_CHANGES: usize = 1_000;

/// The changes of the last minutes, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    changes: VecDeque<EndpointChange>,
}

#[derive(Clone, Debug)]
struct EndpointChange {
    at: Timestamp,
    service: ObjectRef,
    namespace: ArcStr,
    workload: Option<ArcStr>,
    backend: String,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Went,
    Unready,
    Ready,
    Came,
}

/// Names of pods, by namespace and name.
type Pods<'a> = HashMap<(&'a ArcStr, &'a ArcStr), &'a Pod>;
/// Holds, for each backend, whether it is ready on any of its ports.
type Backends<'a> = BTreeMap<(IpAddr, Option<&'a ArcStr>), bool>;

impl Endpoints {
    /// Remembers what changed from one inventory to the next. The first inventory that is not empty is no change.
    pub fn apply(&mut self, before: &Inventory, after: &Inventory, now: Timestamp) {
        // A clock that was set back must not keep changes for ever.
        self.changes.retain(|change| now.duration_since(change.at).abs() <= KEEP);
        if before.services.is_empty() && before.pods.is_empty() {
            return;
        }
        let changed = changed(before, after);
        if changed.is_empty() {
            return;
        }
        let (pods_before, pods_after) = (pods(before), pods(after));
        for (old, new) in changed {
            self.compare(old, new, [&pods_after, &pods_before], now);
        }
    }

    /// Returns what happened since then to the backends of these Services, and to those of the workload.
    #[must_use]
    pub fn changes(&self, server: &Server, services: &[ObjectRef], since: Timestamp) -> Vec<Change> {
        let concerns = |change: &&EndpointChange| {
            services.contains(&change.service)
                || match server {
                    Server::Vip(_) => false,
                    Server::Service(name) => change.service == *name,
                    Server::Workload(workload) => {
                        change.namespace == workload.namespace
                            && change.workload.as_ref() == Some(&workload.name)
                    }
                }
        };
        let recent = self.changes.iter().filter(|change| change.at >= since);
        recent.filter(concerns).map(EndpointChange::told).collect()
    }

    fn compare(
        &mut self,
        old: Option<&Service>,
        new: Option<&Service>,
        pods: [&Pods<'_>; 2],
        now: Timestamp,
    ) {
        let Some(service) = new.or(old) else { return };
        let (old, new) = (old.map(backends).unwrap_or_default(), new.map(backends).unwrap_or_default());
        let keys: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
        for key @ (ip, pod) in keys {
            let how = match (old.get(&key), new.get(&key)) {
                (Some(_), None) => How::Went,
                (None, Some(true)) => How::Came,
                (Some(true), Some(false)) => How::Unready,
                (Some(false), Some(true)) => How::Ready,
                _ => continue,
            };
            let workload = pod.and_then(|name| {
                let pod = pods.iter().find_map(|pods| pods.get(&(&service.namespace, name)));
                pod.map(|pod| pod.workload.name.clone())
            });
            self.push(EndpointChange {
                at: now,
                service: service.object_ref(),
                namespace: service.namespace.clone(),
                workload,
                backend: pod
                    .map_or_else(|| ip.to_string(), |pod| format!("{}/{pod} ({ip})", service.namespace)),
                how,
            });
        }
    }

    fn push(&mut self, change: EndpointChange) {
        if self.changes.len() == MAX_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }
}

impl EndpointChange {
    fn told(&self) -> Change {
        let Self { at, service, backend, how, .. } = self;
        let how = match how {
            How::Went => "went",
            How::Unready => "became unready",
            How::Ready => "became ready",
            How::Came => "came",
        };
        Change { at: *at, what: format!("backend {backend} of {service} {how}") }
    }
}

/// Returns Services that changed, as they were and as they are.
fn changed<'a>(
    before: &'a Inventory,
    after: &'a Inventory,
) -> Vec<(Option<&'a Service>, Option<&'a Service>)> {
    let key = |service: &'a Arc<Service>| ((&service.namespace, &service.name), service);
    let mut old: BTreeMap<_, _> = before.services.iter().map(key).collect();
    let mut changed = Vec::new();
    for service in &after.services {
        let was = old.remove(&(&service.namespace, &service.name));
        if was.is_none_or(|was| !Arc::ptr_eq(was, service) && was.backends != service.backends) {
            changed.push((was.map(|was| &**was), Some(&**service)));
        }
    }
    changed.extend(old.into_values().map(|gone| (Some(&**gone), None)));
    changed
}

fn backends(service: &Service) -> Backends<'_> {
    let mut backends = Backends::new();
    for Backend { ip, pod, ready, .. } in &service.backends {
        *backends.entry((ip.to_canonical(), pod.as_ref())).or_default() |= ready;
    }
    backends
}

fn pods(inventory: &Inventory) -> Pods<'_> {
    inventory.pods.iter().map(|pod| ((&pod.namespace, &pod.name), &**pod)).collect()
}
