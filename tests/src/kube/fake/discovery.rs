//! Discovery: the groups and kinds.

use serde_json::{Value, json};

use super::kinds::Kind;

/// Returns the answer to a path of discovery, or `None` for other paths.
pub(super) fn answer(path: &[&str], kinds: &[Kind]) -> Option<Value> {
    match path {
        ["version"] => Some(json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0-fake"})),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["api", version] => resources("", version, kinds),
        ["apis"] => {
            let groups: Vec<Value> = groups(kinds).iter().filter_map(|name| group(name, kinds)).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] => group(name, kinds),
        ["apis", name, version] => resources(name, version, kinds),
        _ => None,
    }
}

fn groups(kinds: &[Kind]) -> Vec<&str> {
    let mut names: Vec<&str> = kinds.iter().map(|k| k.group.as_str()).filter(|g| !g.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn group(name: &str, kinds: &[Kind]) -> Option<Value> {
    let mut versions: Vec<&str> =
        kinds.iter().filter(|k| k.group == name).map(|k| k.version.as_str()).collect();
    versions.dedup();
    let versions: Vec<Value> =
        versions.iter().map(|v| json!({"groupVersion": format!("{name}/{v}"), "version": v})).collect();
    let preferred = versions.first()?.clone();
    Some(json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": versions, "preferredVersion": preferred,
    }))
}

fn resources(group: &str, version: &str, kinds: &[Kind]) -> Option<Value> {
    let served: Vec<&Kind> = kinds.iter().filter(|k| k.group == group && k.version == version).collect();
    let api_version = served.first()?.api_version();
    let resources: Vec<Value> = served.iter().map(|kind| resource(kind)).collect();
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources}),
    )
}

fn resource(kind: &Kind) -> Value {
    json!({
        "name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced,
        "kind": kind.kind, "verbs": ["get", "list", "watch"],
    })
}

#[cfg(test)]
mod tests;
