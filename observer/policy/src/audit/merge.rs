//! The snapshots of several nodes as one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::baseline::{Baseline, BaselineEnd, BaselineFlow};
use flow_model::inventory::Inventory;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::Protocol;

/// Holds one cluster and the flows seen in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Merged {
    pub(super) inventory: Arc<Inventory>,
    pub(super) flows: Vec<BaselineFlow>,
}

/// Merges baselines. The newest inventory counts. Older ones add the pods, Services and nodes that it lacks, as an agent
/// may know its own node only; they don't add policies and namespaces, which may have been deleted since.
pub(super) fn merge(baselines: &[Baseline]) -> Merged {
    let mut by_time: Vec<_> = baselines.iter().collect();
    by_time.sort_by_key(|baseline| std::cmp::Reverse(baseline.time));
    let inventory = match by_time.as_slice() {
        [] => Arc::default(),
        [only] => Arc::clone(&only.inventory),
        [newest, older @ ..] => {
            let newest = if is_blank(&newest.inventory) {
                older.iter().find(|b| !is_blank(&b.inventory))
            } else {
                None
            }
            .unwrap_or(newest);
            Arc::new(union(&newest.inventory, &by_time))
        }
    };
    Merged { inventory, flows: flows(&by_time) }
}

/// Joins baselines into one: the newest inventory, which the others complete, and the flows of all. It is `None` without any.
#[must_use]
pub fn join(baselines: &[Baseline]) -> Option<Baseline> {
    let newest = baselines.iter().max_by_key(|baseline| baseline.time)?;
    let Merged { inventory, flows } = merge(baselines);
    // Each node says it of the same cluster.
    let missing: BTreeSet<_> = baselines.iter().flat_map(|baseline| &baseline.missing).collect();
    let nodes: Vec<_> = baselines.iter().map(|baseline| baseline.node.as_str()).collect();
    Some(Baseline {
        version: newest.version,
        node: nodes.join(", ").into(),
        time: newest.time,
        inventory,
        flows,
        lost: baselines.iter().map(|baseline| baseline.lost).sum(),
        missing: missing.into_iter().cloned().collect(),
    })
}

/// Is true for the inventory of an agent that watches no cluster.
fn is_blank(inventory: &Inventory) -> bool {
    inventory.pods.is_empty() && inventory.namespaces.is_empty() && inventory.nodes.is_empty()
}

fn union(newest: &Inventory, all: &[&Baseline]) -> Inventory {
    let (mut pods, mut services, mut nodes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for inventory in [newest].into_iter().chain(all.iter().map(|baseline| &*baseline.inventory)) {
        for pod in &inventory.pods {
            pods.entry((pod.namespace.clone(), pod.name.clone())).or_insert_with(|| Arc::clone(pod));
        }
        for service in &inventory.services {
            let key = (service.namespace.clone(), service.name.clone());
            services.entry(key).or_insert_with(|| Arc::clone(service));
        }
        for node in &inventory.nodes {
            nodes.entry(node.name.clone()).or_insert_with(|| Arc::clone(node));
        }
    }
    Inventory {
        announcers: Vec::new(),
        pods: pods.into_values().collect(),
        services: services.into_values().collect(),
        nodes: nodes.into_values().collect(),
        namespaces: newest.namespaces.clone(),
        policies: newest.policies.clone(),
        objects: newest.objects.clone(),
        enforcer: newest.enforcer,
        local_dns: newest.local_dns.clone(),
        templates: newest.templates.clone(),
    }
}

/// Identifies a side without its pod's name, as [`BaselineFlow`] does.
type End<'a> = (Option<&'a ArcStr>, Option<&'a ArcStr>, Option<&'a ArcStr>, Option<IpAddr>);

fn end(end: &BaselineEnd) -> End<'_> {
    let address = Some(end.ip).filter(|_| end.workload.is_none());
    (end.namespace.as_ref(), end.kind.as_ref(), end.workload.as_ref(), address)
}

type Through<'a> = (Option<&'a ObjectRef>, Option<IpAddr>, Option<u16>);

type Key<'a> = (End<'a>, End<'a>, Through<'a>, u16, Protocol);

/// Merges the flows. Both nodes of a connection report it: the larger count is the more complete one.
fn flows(baselines: &[&Baseline]) -> Vec<BaselineFlow> {
    let mut flows: Vec<BaselineFlow> = Vec::new();
    let mut seen: HashMap<Key<'_>, (usize, usize)> = HashMap::new();
    for (file, baseline) in baselines.iter().enumerate() {
        for flow in &baseline.flows {
            let key = (
                end(&flow.src),
                end(&flow.dst),
                (flow.dst.service.as_ref(), flow.dst.used, flow.service_port),
                flow.port,
                flow.protocol,
            );
            match seen.get(&key) {
                Some((other, index)) if *other != file => combine(&mut flows[*index], flow),
                _ => {
                    seen.insert(key, (file, flows.len()));
                    flows.push(flow.clone());
                }
            }
        }
    }
    flows
}

fn combine(flow: &mut BaselineFlow, other: &BaselineFlow) {
    flow.count = flow.count.max(other.count);
    flow.open = flow.open.max(other.open);
    flow.first_seen = flow.first_seen.min(other.first_seen);
    flow.last_seen = flow.last_seen.max(other.last_seen);
}
