//! Namespaces of objects that name none, as `helm template` prints them.

use serde_json::Value;

use crate::kinds::{Kind, Purpose, Scope};
use crate::manifests::templates;
use crate::policy::foreign;

/// Is true for an object that names no namespace, although the verdict on some connection depends on it.
pub(super) fn is_missing(object: &Value) -> bool {
    object["metadata"]["namespace"].as_str().is_none_or(str::is_empty) && needs_one(object)
}

fn needs_one(object: &Value) -> bool {
    let Some(kind) = object["kind"].as_str() else { return false };
    let group =
        object["apiVersion"].as_str().map(|version| version.split_once('/').map_or("", |(group, _)| group));
    match Kind::of_object(kind, group) {
        Some(kind) => {
            let row = kind.row();
            row.scope == Scope::Namespaced && row.purpose != Purpose::Announcements
        }
        None => {
            templates::is_workload(kind)
                || kind == "RoleBinding"
                || foreign::scope(object) == Some(Scope::Namespaced)
        }
    }
}
