//! Leases of kube-vip and Cilium, recognised by their names. A lease of any other name may be one that the annotation of a
//! Service names.

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use k8s_openapi::api::coordination::v1 as coordination;
use serde_json::Value;

use crate::announcers::body::{AnnouncerBody, LeaseBody, LeaseOf};
use crate::kinds::Kind;
use crate::values::typed;

/// Reads a lease. It is `None` for a lease whose name says nothing and whose content makes no sense: it is another's.
pub(crate) fn read(
    key: &ObjectRef,
    value: Value,
    notes: &mut Vec<String>,
) -> Result<Option<AnnouncerBody>, String> {
    let of = purpose(&key.name);
    let mut found = Vec::new();
    match typed(value).map(|lease| announcer(key, lease, &mut found)) {
        Err(_) if of == LeaseOf::Annotated => Ok(None),
        Err(why) => Err(why),
        Ok(announcer) => {
            if of != LeaseOf::Annotated {
                notes.append(&mut found);
            }
            Ok(Some(AnnouncerBody::Lease(LeaseBody { announcer: announcer.into(), of })))
        }
    }
}

fn purpose(name: &str) -> LeaseOf {
    let rest = |prefix| name.strip_prefix(prefix).filter(|rest: &&str| !rest.is_empty()).map(ArcStr::from);
    match name {
        "plndr-svcs-lock" => LeaseOf::Services,
        "plndr-cp-lock" => LeaseOf::ControlPlane,
        _ => {
            let one = rest("kubevip-").map(LeaseOf::Name);
            one.or_else(|| rest("cilium-l2announce-").map(LeaseOf::Joined)).unwrap_or(LeaseOf::Annotated)
        }
    }
}

fn announcer(key: &ObjectRef, lease: coordination::Lease, notes: &mut Vec<String>) -> Announcer {
    let spec = lease.spec.unwrap_or_default();
    Announcer {
        source: ClaimSource::Lease,
        kind: Kind::Lease.into(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        service: None,
        nodes: spec.holder_identity.as_deref().and_then(holder).into_iter().collect(),
        since: spec.acquire_time.map(|time| time.0),
        transitions: spec.lease_transitions.and_then(|count| transitions(count, notes)),
    }
}

/// Returns the node of a holder. Some add `_<uuid>`, and no node's name holds an underscore. A released lease has no holder.
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
