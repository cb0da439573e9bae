//! Policy objects to `core::policy::model`, strictly: what isn't understood is never passed over, because a policy read
//! without one of its fields says something else.

mod broken;
mod field;
mod names;
mod namespaced;
mod origin;
mod ports;
mod selector;
mod tier_peers;
mod tier_ports;
mod tiered;

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::policies::{BrokenPolicy, NetworkPolicy, Tier, TierPolicy};
use serde_json::Value;

use field::{Field, Result};
use flow_model::object_ref::ObjectRef;

pub(super) use field::shown;

/// What became of a policy object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PolicyBody {
    Namespaced(Arc<NetworkPolicy>),
    Tiered(Arc<TierPolicy>),
    /// The note that goes with it is [`BrokenPolicy::why`].
    Broken(Arc<BrokenPolicy>),
}

/// The kinds, with the one version of each that is read.
const VERSIONS: [(&str, &str); 4] = [
    ("NetworkPolicy", "networking.k8s.io/v1"),
    ("AdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1"),
    ("BaselineAdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1"),
    ("ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2"),
];

/// Fields of the object itself.
const OBJECT: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// Reads a policy. One that can't be read whole is a [`PolicyBody::Broken`], never nothing.
pub(super) fn read(kind: &str, key: &ObjectRef, object: &Value) -> PolicyBody {
    match whole(kind, key, object) {
        Ok(body) => body,
        Err(why) => PolicyBody::Broken(Arc::new(broken::policy(kind, key, object, &why))),
    }
}

/// What stands for all policies of a kind when none can be read; `None` for a kind that is no policy.
pub(super) fn missing(kind: &str, why: &ArcStr) -> Option<Arc<BrokenPolicy>> {
    let tier = match kind {
        "NetworkPolicy" => None,
        "BaselineAdminNetworkPolicy" => Some(Tier::Baseline),
        "AdminNetworkPolicy" | "ClusterNetworkPolicy" => Some(Tier::Admin),
        _ => return None,
    };
    Some(Arc::new(BrokenPolicy {
        kind: kind.into(),
        namespace: ArcStr::new(),
        name: ArcStr::new(),
        why: why.clone(),
        selector: None,
        ingress: true,
        egress: true,
        tier,
    }))
}

fn whole(kind: &str, key: &ObjectRef, object: &Value) -> Result<PolicyBody> {
    version(kind, object)?;
    let object = Field::root(object).record(&OBJECT)?;
    let origin = origin::read(&object);
    Ok(match kind {
        "NetworkPolicy" => PolicyBody::Namespaced(Arc::new(namespaced::read(key, &object, origin)?)),
        _ => PolicyBody::Tiered(Arc::new(tiered::read(kind, key, &object, origin)?)),
    })
}

/// Another version may mean something else by the same words.
fn version(kind: &str, object: &Value) -> Result<()> {
    let known = VERSIONS.iter().find(|(k, _)| *k == kind).map_or("", |(_, version)| *version);
    match object.get("apiVersion").and_then(Value::as_str) {
        Some(version) if version == known => Ok(()),
        Some(version) => Err(format!("apiVersion: version {} is not known; {known} is", shown(version))),
        None => Err(format!("apiVersion: is missing; {known} is known")),
    }
}
