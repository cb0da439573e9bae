//! Objects that did not change keep their `Arc`, so that readers recognise changes by the pointer.

use std::sync::Arc;

use flow_model::inventory::Inventory;
use flow_model::policies::Policies;

/// Replaces each object that equals its predecessor by that one. Returns true if nothing differs. All lists are sorted by the
/// keys used here.
pub(super) fn reuse(new: &mut Inventory, old: &Inventory) -> bool {
    let same = [
        list(&mut new.pods, &old.pods, |pod| [&pod.namespace, &pod.name, ""]),
        list(&mut new.services, &old.services, |service| [&service.namespace, &service.name, ""]),
        list(&mut new.nodes, &old.nodes, |node| [&node.name, "", ""]),
        list(&mut new.namespaces, &old.namespaces, |namespace| [&namespace.name, "", ""]),
        policies(&mut new.policies, &old.policies),
        list(&mut new.announcers, &old.announcers, |a| [&a.kind, &a.namespace, &a.name]),
        new.objects == old.objects,
        (new.enforcer, &new.local_dns) == (old.enforcer, &old.local_dns),
        list(&mut new.templates, &old.templates, |pod| [&pod.workload.kind, &pod.namespace, &pod.name]),
    ];
    same.iter().all(|same| *same)
}

fn policies(new: &mut Policies, old: &Policies) -> bool {
    let same = [
        list(&mut new.namespaced, &old.namespaced, |policy| [&policy.namespace, &policy.name, ""]),
        list(&mut new.tiered, &old.tiered, |policy| [policy.kind.as_str(), &policy.name, ""]),
        list(&mut new.broken, &old.broken, |policy| [&policy.kind, &policy.namespace, &policy.name]),
    ];
    same.iter().all(|same| *same)
}

/// Walks both lists at once.
fn list<T: PartialEq>(new: &mut [Arc<T>], old: &[Arc<T>], key: impl Fn(&T) -> [&str; 3]) -> bool {
    let mut rest = old.iter().peekable();
    let mut same = new.len() == old.len();
    for item in new {
        while rest.next_if(|before| key(before) < key(item)).is_some() {}
        match rest.next_if(|before| key(before) == key(item)) {
            Some(before) if Arc::ptr_eq(before, item) => {}
            Some(before) if before == item => *item = Arc::clone(before),
            _ => same = false,
        }
    }
    same
}
