//! Leases of kube-vip and Cilium, recognised by their names.

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use k8s_openapi::api::coordination::v1 as coordination;
use serde_json::Value;

use crate::announcers::body::{AnnouncerBody, LeaseBody, LeaseOf};
use crate::kinds::Kind;
use crate::values::typed;

/// The purpose of a lease, by its name.
enum Purpose {
    /// kube-vip's lease for all Services.
    Services,
    /// kube-vip's lease for the address of the API server.
    ControlPlane,
    /// A lease for one Service.
    One(LeaseOf),
}

/// Reads a lease. It is `None` for a lease that announces no address.
pub(crate) fn read(
    key: &ObjectRef,
    value: Value,
    notes: &mut Vec<String>,
) -> Result<Option<AnnouncerBody>, String> {
    let Some(purpose) = purpose(&key.name) else { return Ok(None) };
    let lease = announcer(key, typed(value)?, notes);
    Ok(Some(match purpose {
        Purpose::Services => AnnouncerBody::Whole(lease.into()),
        Purpose::ControlPlane => {
            // Its holder announces the address of this Service only.
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
