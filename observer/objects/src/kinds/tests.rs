//! The table against what is granted and what is documented.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_json::Value;
use strum::IntoEnumIterator as _;

use super::*;
use crate::resource::Resource;

const RBAC: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/base/rbac.yaml"));
const PERMISSIONS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/PERMISSIONS.md"));

/// The requests of the agent besides reading: it writes findings as Events, and asks who may use `/api/*`.
const WRITES: [(&str, &str, &str); 4] = [
    ("", "events", "create"),
    ("", "events", "patch"),
    ("authentication.k8s.io", "tokenreviews", "create"),
    ("authorization.k8s.io", "subjectaccessreviews", "create"),
];

/// Group, resource and verb of everything that the agent's ClusterRole grants.
fn granted() -> BTreeSet<(String, String, String)> {
    let documents = serde_yaml_ng::Deserializer::from_str(RBAC).map(|d| Value::deserialize(d).unwrap());
    let ours =
        |object: &Value| object["kind"] == "ClusterRole" && object["metadata"]["name"] == "flow-observer";
    let [role] = &documents.filter(ours).collect::<Vec<_>>()[..] else { panic!("one ClusterRole") };
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let mut all = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let verbs = texts(&rule["verbs"]).into_iter();
                all.extend(verbs.map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    all
}

#[test]
fn the_cluster_role_grants_reading_each_kind_and_nothing_else() {
    let reads = Resource::all().flat_map(|resource| {
        ["get", "list", "watch"].map(|verb| (resource.group(), resource.plural(), verb))
    });
    let needed =
        reads.chain(WRITES).map(|(group, resource, verb)| (group.into(), resource.into(), verb.into()));
    assert_eq!(granted(), needed.collect());
}

#[test]
fn permissions_md_explains_each_resource_and_no_other() {
    let section =
        PERMISSIONS.split("## Access to the API server").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what"));
    let words = rows.flat_map(|row| row.split('|').nth(1).unwrap().split([' ', ',']));
    let other = ["", "(metadata)", "create", "patch"];
    let explained: BTreeSet<_> = words.filter(|word| !other.contains(word)).collect();
    let reads = Resource::all().map(Resource::plural);
    let needed: BTreeSet<_> = reads.chain(WRITES.map(|(_, resource, _)| resource)).collect();
    assert_eq!(explained, needed);
}

#[test]
fn kinds_are_in_the_order_of_their_names_on_which_lists_by_kind_rely() {
    assert!(Kind::iter().map(Kind::name).is_sorted());
}

#[test]
fn an_object_is_of_a_kind_by_name_and_group() {
    assert_eq!(Kind::of_object("Service", Some("")), Some(Kind::Service));
    assert_eq!(Kind::of_object("Service", None), Some(Kind::Service));
    assert_eq!(Kind::of_object("Service", Some("serving.knative.dev")), None);
    assert_eq!(Kind::of_object("Event", Some("events.k8s.io")), Some(Kind::Event));
    assert_eq!(Kind::of_object("Deployment", Some("apps")), None);
}

#[test]
fn api_versions_have_a_group_except_in_the_core_group() {
    assert_eq!(Kind::Pod.api_version(), "v1");
    assert_eq!(Kind::ClusterNetworkPolicy.api_version(), "policy.networking.k8s.io/v1alpha2");
}
