//! Objects that did not change are the same `Arc` in the next inventory.

use super::*;
use crate::Index;
use crate::kinds::Kind;
use crate::object::Object;

fn objects(yaml: &str) -> Vec<Object> {
    let mut notes = Vec::new();
    let documents = crate::document::parse(yaml.as_bytes()).into_iter().map(Result::unwrap);
    documents.filter_map(|d| Object::from_value(d.value, &mut notes)).collect()
}

fn cluster(changed: &str) -> String {
    let mut text = String::new();
    for (host, name) in ["a", "b", "c"].into_iter().enumerate() {
        let value = if name == changed { "new" } else { "old" };
        let labels = format!("labels: {{x: {value}}}");
        text += &format!(
            "---
{{kind: Pod, apiVersion: v1, metadata: {{name: {name}, {labels}}}, status: {{podIP: 10.0.0.{host}}}}}
---
{{kind: Service, apiVersion: v1, metadata: {{name: {name}, {labels}}}, spec: {{selector: {{x: old}}, ports: [{{port: 80}}]}}}}
---
{{kind: Node, apiVersion: v1, metadata: {{name: {name}, {labels}}}}}
---
{{kind: Namespace, apiVersion: v1, metadata: {{name: {name}, {labels}}}}}
---
{{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {{name: {name}}}, spec: {{podSelector: {{matchLabels: {{x: {value}}}}}}}}}
---
{{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {{name: {name}-broken}}, spec: {{{value}: 1}}}}
---
{{kind: AdminNetworkPolicy, apiVersion: policy.networking.k8s.io/v1alpha1, metadata: {{name: {name}}}, spec: {{priority: 1, subject: {{namespaces: {{matchLabels: {{x: {value}}}}}}}}}}}
"
        );
    }
    text
}

fn kept<T>(old: &[Arc<T>], new: &[Arc<T>]) -> Vec<bool> {
    assert_eq!(old.len(), new.len());
    old.iter().zip(new).map(|(old, new)| Arc::ptr_eq(old, new)).collect()
}

#[test]
fn only_the_changed_one_of_three_is_new() {
    let mut index = Index::default();
    index.replace(objects(&cluster("")));
    let old = index.publish().unwrap();
    index.replace(objects(&cluster("")));
    assert_eq!(index.publish(), None);

    index.replace(objects(&cluster("b")));
    let new = index.publish().unwrap();
    let expect = [true, false, true];
    assert_eq!(kept(&old.pods, &new.pods), expect);
    assert_eq!(kept(&old.nodes, &new.nodes), expect);
    assert_eq!(kept(&old.namespaces, &new.namespaces), expect);
    assert_eq!(kept(&old.policies.namespaced, &new.policies.namespaced), expect);
    assert_eq!(kept(&old.policies.tiered, &new.policies.tiered), expect);
    assert_eq!(kept(&old.policies.broken, &new.policies.broken), expect);
    // Pod b is no longer a backend, so all three Services changed.
    assert_eq!(kept(&old.services, &new.services), [false; 3]);
}

#[test]
fn objects_beside_those_that_come_and_go_stay_the_same() {
    let mut index = Index::default();
    index.replace(objects(&cluster("")));
    let old = index.publish().unwrap();
    let mut fewer = objects(&cluster(""));
    fewer.retain(|object| object.id.object.name != "b");
    index.replace(fewer);
    let new = index.publish().unwrap();
    assert_eq!(new.pods.len(), 2);
    assert!(Arc::ptr_eq(&old.pods[2], &new.pods[1]) && Arc::ptr_eq(&old.pods[0], &new.pods[0]));
    index.replace(objects(&cluster("")));
    let again = index.publish().unwrap();
    assert!(Arc::ptr_eq(&old.pods[2], &again.pods[2]) && !Arc::ptr_eq(&old.pods[1], &again.pods[1]));
}

/// Does what the API source does after a list: all that it contains stay, all others go.
fn relist(index: &mut Index, objects: Vec<Object>) {
    let keys = objects.iter().map(|object| object.id.object.clone()).collect();
    for object in objects {
        index.apply(object);
    }
    index.retain(Kind::NetworkPolicy, &keys);
}

#[test]
fn policies_come_and_go_one_by_one() {
    let mut index = Index::default();
    let mut all = objects(&cluster(""));
    all.retain(|object| object.id.known_kind() == Some(Kind::NetworkPolicy));
    let first = all.remove(0);
    let key = first.id.object.clone();
    index.apply(first.clone());
    assert_eq!(index.publish().unwrap().policies.namespaced.len(), 1);
    index.delete(Kind::NetworkPolicy, &key);
    assert_eq!(index.publish().unwrap().policies.namespaced.len(), 0);
    relist(&mut index, all);
    let policies = &index.publish().unwrap().policies;
    assert_eq!((policies.namespaced.len(), policies.broken.len()), (2, 3));
    relist(&mut index, vec![first]);
    let policies = &index.publish().unwrap().policies;
    assert_eq!((policies.namespaced.len(), policies.broken.len()), (1, 0));
}
