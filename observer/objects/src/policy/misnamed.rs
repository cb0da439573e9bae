//! Objects that are meant as policies, but whose `apiVersion` and `kind` name none. The API refuses them, so nothing enforces
//! what their author wrote.

use serde_json::Value;
use strum::IntoEnumIterator as _;

use crate::kinds::{Kind, Purpose};
use crate::policy::foreign;
use crate::text::shown;

/// The groups of Kubernetes itself, and the one of its policies for the whole cluster.
const BUILT_IN: [&str; 24] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "policy.networking.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Returns why the API refuses an object that is meant as a policy; `None` for all others.
pub(crate) fn refused(object: &Value) -> Option<String> {
    let kind = object["kind"].as_str()?;
    let version = object["apiVersion"].as_str();
    let group = version.map(|version| version.split_once('/').map_or("", |(group, _)| group));
    let is_known = Kind::of_object(kind, group).is_some();
    if is_known || !BUILT_IN.contains(&group.unwrap_or_default()) || !is_meant(kind, object) {
        return None;
    }
    let remedy = meant(kind)
        .map_or_else(String::new, |meant| format!("; {} has the kind {}", meant.api_version(), meant.name()));
    Some(match version {
        Some(version) => {
            format!("apiVersion {} has no kind {}; the API refuses it{remedy}", shown(version), shown(kind))
        }
        None => format!("{} without apiVersion; the API refuses it{remedy}", shown(kind)),
    })
}

/// Is true when the kind names one of policies, in any case, or the content is that of a NetworkPolicy.
fn is_meant(kind: &str, object: &Value) -> bool {
    let has = |field: &str| object["spec"].get(field).is_some();
    kind.to_ascii_lowercase().contains("networkpolic")
        || foreign::is_name(kind)
        || has("policyTypes")
        || (has("podSelector") && (has("ingress") || has("egress")))
}

/// Returns the kind of policies that is written like this in another case.
fn meant(kind: &str) -> Option<Kind> {
    Kind::iter()
        .filter(|known| known.row().purpose == Purpose::Policies)
        .find(|known| known.name().eq_ignore_ascii_case(kind))
}
