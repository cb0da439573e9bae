//! Policies that network plugins and meshes enforce beside those that are judged. They aren't judged, but which pods they may
//! concern is read, so that no verdict on those pods is certain.

mod calico;
mod kind;
mod subject;
mod table;

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{BrokenPolicy, Tier};
use serde_json::Value;

use crate::kinds::{Kind, Scope};
use table::Foreign;

pub use kind::ForeignKind;

/// Reads a policy of such a kind; `None` for all other objects.
pub(crate) fn read(kind: &ArcStr, key: &ObjectRef, object: &Value) -> Option<BrokenPolicy> {
    let foreign = of(object)?;
    let subject = subject::read(&foreign, &key.namespace, object);
    Some(BrokenPolicy {
        kind: kind.clone(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        why: arcstr::format!("it is a policy of {}", foreign.maker),
        selector: Some(subject.pods),
        ingress: subject.ingress,
        egress: subject.egress,
        // It may decide before all policies that are judged, and against them.
        tier: Some(Tier::Admin),
    })
}

/// Returns where such a policy is; `None` for all other objects.
pub(crate) fn scope(object: &Value) -> Option<Scope> {
    of(object).map(|foreign| foreign.scope)
}

/// Is true for a policy of such a kind.
pub(crate) fn is_policy(object: &Value) -> bool {
    of(object).is_some()
}

/// Is true for the name of such a kind, in any case.
pub(crate) fn is_name(kind: &str) -> bool {
    table::is_name(kind)
}

fn of(object: &Value) -> Option<Foreign> {
    let (kind, version) = (object["kind"].as_str()?, object["apiVersion"].as_str()?);
    let Some((group, _)) = version.split_once('/') else { return table::default_of_plugin(object) };
    if calico::is_copy(group, kind, object["metadata"]["name"].as_str().unwrap_or_default()) {
        return None;
    }
    match Kind::of_object(kind, Some(group)) {
        Some(_) => None,
        None => table::known(kind, group)
            .or_else(|| table::profile(kind, group, object))
            .or_else(|| table::likely(kind, group, object)),
    }
}
