//! Policies after random changes: nothing panics, and no policy is lost.

use flow_model::inventory::Inventory;
use proptest::prelude::*;
use proptest::sample::Index as Pick;
use serde_json::{Value, json};

use crate::manifests;
use crate::object::Object;
use crate::policy::names;

fn valid() -> [Value; 4] {
    let selector = json!({"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "a/b", "operator": "NotIn", "values": ["c"]}]});
    [
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z",
                "managedFields": [{"manager": "m", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}}]},
            "spec": {"podSelector": selector, "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [{"podSelector": selector, "namespaceSelector": {}}], "ports": [{"port": 80, "endPort": 90}]}],
                "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}], "ports": [{"port": "dns", "protocol": "UDP"}]}]}}),
        json!({"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": {"name": "c"},
            "spec": {"tier": "Baseline", "priority": 5, "subject": {"pods": {"namespaceSelector": selector, "podSelector": {}}},
                "ingress": [{"action": "Deny", "from": [{"namespaces": {}}], "protocols": [{"tcp": {"destinationPort": {"range": {"start": 1, "end": 2}}}}]}],
                "egress": [{"action": "Accept", "to": [{"domainNames": ["a.io"]}, {"networks": ["::/0"]}, {"nodes": {}}]}]}}),
        json!({"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy", "metadata": {"name": "a"},
            "spec": {"priority": 5, "subject": {"namespaces": selector},
                "ingress": [{"name": "x", "action": "Pass", "from": [{"pods": {"podSelector": {}}}], "ports": [{"portNumber": {"port": 1}}, {"namedPort": "x"}]}]}}),
        json!({"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "BaselineAdminNetworkPolicy", "metadata": {"name": "default"},
            "spec": {"subject": {"namespaces": {}}, "egress": [{"action": "Allow", "to": [{"networks": ["10.0.0.0/8"]}],
                "ports": [{"portRange": {"start": 1, "end": 9}}]}]}}),
    ]
}

/// A change of one value in the tree.
#[derive(Clone, Debug)]
pub(super) enum Mutation {
    Drop,
    Replace(Value),
    Rename(String),
    Twice,
}

pub(super) fn mutation() -> impl Strategy<Value = Mutation> {
    let values = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!(0)),
        Just(json!(-7)),
        Just(json!(1e300)),
        Just(json!("")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null])),
        Just(json!({"x": 1})),
        Just(json!("80")),
        Just(json!(70000)),
        ".{0,100}".prop_map(Value::from),
    ];
    prop_oneof![
        Just(Mutation::Drop),
        values.prop_map(Mutation::Replace),
        ".{0,40}".prop_map(Mutation::Rename),
        Just(Mutation::Twice),
    ]
}

/// Pointers to every value below the root.
fn pointers(value: &Value, at: &str, out: &mut Vec<(String, String)>) {
    let mut child = |name: String, value: &Value| {
        out.push((at.to_owned(), name.clone()));
        pointers(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), out);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| child(name.clone(), value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, value)| child(i.to_string(), value)),
        _ => {}
    }
}

pub(super) fn mutate(value: &mut Value, pick: &Pick, mutation: Mutation) {
    let mut all = Vec::new();
    pointers(value, "", &mut all);
    if all.is_empty() {
        return;
    }
    let (parent, name) = pick.get(&all);
    match (value.pointer_mut(parent), mutation) {
        (Some(Value::Object(map)), Mutation::Drop) => drop(map.remove(name)),
        (Some(Value::Object(map)), Mutation::Replace(value)) => drop(map.insert(name.clone(), value)),
        (Some(Value::Object(map)), Mutation::Rename(other)) => {
            let value = map.remove(name).unwrap();
            map.insert(other, value);
        }
        (Some(Value::Array(items)), mutation) => {
            let at: usize = name.parse().unwrap();
            match mutation {
                Mutation::Drop => drop(items.remove(at)),
                Mutation::Replace(value) => items[at] = value,
                Mutation::Rename(_) | Mutation::Twice => items.push(items[at].clone()),
            }
        }
        _ => {}
    }
}

fn policies(inventory: &Inventory) -> usize {
    let policies = &inventory.policies;
    policies.namespaced.len() + policies.tiered.len() + policies.broken.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_mutated_policy_is_a_policy_a_broken_one_or_a_problem(
        which in 0..4usize,
        steps in prop::collection::vec((any::<Pick>(), mutation()), 0..4),
    ) {
        let mut value = valid()[which].clone();
        for (pick, mutation) in &steps {
            mutate(&mut value, pick, mutation.clone());
        }
        let text = serde_json::to_string(&value).unwrap();
        let found = manifests::parse("x.json", text.as_bytes());
        let unbroken = found.inventory.policies.namespaced.len() + found.inventory.policies.tiered.len();
        // An object of another kind or group is counted, and one that became a list is unpacked.
        let ours = value["kind"] == valid()[which]["kind"];
        let group = |v: &Value| v["apiVersion"].as_str().map(|v| v.split('/').next().unwrap_or("").to_owned());
        if ours && group(&value).is_none_or(|g| Some(g) == group(&valid()[which])) {
            // Such a policy may be meant for any namespace, so it is read and reported.
            let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default();
            let is_refused = which == 0 && !namespace.is_empty() && !names::is_namespace(namespace);
            let reported = found.problems.len();
            let is_misplaced = is_refused && policies(&found.inventory) == 1;
            let expected = usize::from(unbroken == 0) + usize::from(is_misplaced);
            prop_assert_eq!(reported, expected, "{}: {:?}", text, found.problems);
            let named = value["metadata"]["name"].as_str().is_some_and(|n| !n.is_empty())
                && (value["metadata"]["namespace"].is_null() || value["metadata"]["namespace"].is_string());
            prop_assert_eq!(policies(&found.inventory), usize::from(named), "{}", text);
        }
        if steps.is_empty() {
            prop_assert_eq!(unbroken, 1, "{:?}", found.problems);
        }
    }

    #[test]
    fn one_damaged_document_costs_no_other(
        which in 0..4usize,
        cut in any::<Pick>(),
        noise in prop::collection::vec((any::<Pick>(), any::<u8>()), 0..6),
        truncate in any::<bool>(),
    ) {
        let mut bytes = serde_yaml_ng::to_string(&valid()[which]).unwrap().into_bytes();
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        }
        for (at, byte) in &noise {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
        }
        let good = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: good}}\n";
        let text = [good.replace("good", "first").as_bytes(), b"---\n", &bytes, b"\n---\n", good.as_bytes()].concat();
        let found = manifests::parse("x.yaml", &text);
        let names: Vec<_> = found.inventory.policies.namespaced.iter().map(|p| p.name.as_str()).collect();
        prop_assert!(names.contains(&"first") && names.contains(&"good"), "{names:?}");
        let objects: u64 = found.inventory.objects.values().sum();
        // A document of comments and directives only doesn't count.
        let blank = String::from_utf8_lossy(&bytes).lines().all(|line| {
            let content = line.trim();
            content.is_empty() || content.starts_with("#") || line.starts_with("%")
        });
        prop_assert!(blank || objects >= 3, "{objects} of {}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_reading_is_the_same_twice(which in 0..4usize, pick in any::<Pick>(), step in mutation()) {
        let mut value = valid()[which].clone();
        mutate(&mut value, &pick, step);
        let read = |value: &Value| {
            let mut notes = Vec::new();
            let object = Object::from_value(value.clone(), &mut notes);
            (format!("{object:?}"), notes)
        };
        let (first, notes) = read(&value);
        prop_assert_eq!(&first, &read(&value).0);
        // No message grows with its input.
        prop_assert!(notes.iter().all(|note| note.len() < 2_000), "{notes:?}");
    }
}
