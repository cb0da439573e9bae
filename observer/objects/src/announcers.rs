//! Objects that name the node that announces a Service's address: MetalLB's, kube-vip's and Cilium's.
//!
//! Fields that change with every renewal or repetition (`renewTime`, `count`) are not kept, so that they make no new
//! inventory.

mod body;
pub(crate) mod event;
pub(crate) mod l2status;
pub(crate) mod lease;

pub(crate) use body::{AnnouncerBody, EventBody, LeaseBody, LeaseOf};
