//! Objects that name the node that announces a Service's address: MetalLB's, kube-vip's and Cilium's.
//!
//! Fields that change with every renewal or repetition (`renewTime`, `count`) are not kept, so that they make no new
//! inventory.

mod body;
mod event;
mod l2status;
mod lease;

use flow_model::object_ref::ObjectRef;
use serde_json::Value;

use crate::kinds::Kind;

pub(crate) use body::{AnnouncerBody, EventBody, LeaseBody, LeaseOf};

/// Reads an object of a kind that names announcing nodes. It is `None` for an object that names none.
pub(crate) fn read(
    kind: Kind,
    key: &ObjectRef,
    value: Value,
    notes: &mut Vec<String>,
) -> Result<Option<AnnouncerBody>, String> {
    match kind {
        Kind::Event => event::read(key, value, notes),
        Kind::Lease => lease::read(key, value, notes),
        Kind::ServiceL2Status => l2status::read(key, value).map(Some),
        _ => Err(format!("nothing reads announcements from a {kind}")),
    }
}
