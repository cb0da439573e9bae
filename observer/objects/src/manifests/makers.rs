//! Objects from which a controller makes other objects, also policies, that no file holds.

use serde_json::Value;

const MAKERS: [(&str, &str); 9] = [
    ("helm.toolkit.fluxcd.io", "HelmRelease"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    ("argoproj.io", "Application"),
    ("argoproj.io", "ApplicationSet"),
    ("helm.cattle.io", "HelmChart"),
    ("fleet.cattle.io", "GitRepo"),
    ("fleet.cattle.io", "Bundle"),
    ("kubernetes.crossplane.io", "Object"),
    ("helm.crossplane.io", "Release"),
];

/// Is true for an object from which others are made.
pub(super) fn is_maker(object: &Value) -> bool {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
    MAKERS.contains(&(group, text("kind"))) || (group == "kyverno.io" && generates(object))
}

/// Is true for a policy of Kyverno that makes objects.
fn generates(object: &Value) -> bool {
    let rules = object["spec"]["rules"].as_array();
    rules.is_some_and(|rules| rules.iter().any(|rule| rule.get("generate").is_some()))
}
