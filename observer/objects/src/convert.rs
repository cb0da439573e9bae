//! Readers of ordinary kinds: `k8s_openapi` types to values of the model. None of them fails.

mod attached;
mod node;
mod pod;
mod probes;
mod role;
mod service;
mod slice;
mod template;
mod vips;

pub(crate) use node::node;
pub(crate) use pod::{PodBody, pod, ports};
pub(crate) use role::Role;
pub(crate) use service::{ServiceBody, service};
pub(crate) use slice::{SliceBody, slice};
pub(crate) use template::{TemplateBody, template, template_path};
