//! Leases of kube-vip and Cilium, told from all others by their names.

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use flow_model::vip::ClaimSource;
use k8s_openapi::api::coordination::v1 as coordination;
use serde_json::Value;

use crate::announcers::{AnnouncerBody, LeaseBody, LeaseOf};
use crate::object::typed;
use flow_model::object_ref::ObjectRef;

/// What a lease is for, by its name.
enum Purpose {
    /// kube-vip's for all Services.
    Services,
    /// kube-vip's for the address of the API server.
    ControlPlane,
    One(LeaseOf),
}

pub(super) fn read(
    key: &ObjectRef,
    value: Value,
    notes: &mut Vec<String>,
) -> Result<Option<AnnouncerBody>, String> {
    let Some(purpose) = purpose(&key.name) else { return Ok(None) };
    let lease = announcer(key, typed(value)?, notes);
    Ok(Some(match purpose {
        Purpose::Services => AnnouncerBody::Whole(lease.into()),
        Purpose::ControlPlane => {
            // Its holder announces no other Service's address.
            let service = Some(ObjectRef::new("default", "kubernetes"));
            AnnouncerBody::Whole(Announcer { service, ..lease }.into())
        }
        Purpose::One(of) => AnnouncerBody::Lease(LeaseBody { announcer: lease.into(), of }),
    }))
}

fn purpose(name: &str) -> Option<Purpose> {
    let rest = |prefix| name.strip_prefix(prefix).filter(|rest: &&str| !rest.is_empty()).map(ArcStr::from);
    match name {
        "plndr-svcs-lock" => Some(Purpose::Services),
        "plndr-cp-lock" => Some(Purpose::ControlPlane),
        _ => {
            let one = rest("kubevip-").map(LeaseOf::Name);
            one.or_else(|| rest("cilium-l2announce-").map(LeaseOf::Joined)).map(Purpose::One)
        }
    }
}

fn announcer(key: &ObjectRef, lease: coordination::Lease, notes: &mut Vec<String>) -> Announcer {
    let spec = lease.spec.unwrap_or_default();
    Announcer {
        source: ClaimSource::Lease,
        kind: arcstr::literal!("Lease"),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        service: None,
        nodes: spec.holder_identity.as_deref().and_then(holder).into_iter().collect(),
        since: spec.acquire_time.map(|time| time.0),
        transitions: spec.lease_transitions.and_then(|count| transitions(count, notes)),
    }
}

/// The node of a holder; some add `_<uuid>`, and no node's name holds an underscore. A released lease has none.
fn holder(identity: &str) -> Option<ArcStr> {
    let node = identity.split('_').next().filter(|node| !node.is_empty())?;
    Some(node.into())
}

fn transitions(count: i32, notes: &mut Vec<String>) -> Option<u64> {
    let transitions = u64::try_from(count).ok();
    if transitions.is_none() {
        notes.push(format!("leaseTransitions {count} is no number of transitions"));
    }
    transitions
}
