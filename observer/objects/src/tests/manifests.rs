//! Manifests for `audit`.

use std::path::Path;

use flow_model::object_ref::ObjectRef;

use super::*;
use crate::ClusterError;
use crate::kinds::Kind;
use crate::manifests::{self, Place, Template};
use crate::object::ObjectId;
use crate::problem::Extent;

const HELM: &str = "---
# Source: shop/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {a: outer, b: outer}}
spec:
  template:
    metadata: {labels: {app: web}, annotations: {b: inner}}
    spec:
      serviceAccountName: web
      initContainers: [{name: i, args: [wait-for, 'db.data:5432']}]
      containers:
      - name: c
        command: [serve]
        env: [{name: DB, value: postgres.data.svc}, {name: X, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        ports: [{name: http, containerPort: 8080}]
---
# Source: shop/templates/cron.yaml
apiVersion: batch/v1
kind: CronJob
metadata: {name: tidy}
spec: {jobTemplate: {spec: {template: {spec: {hostNetwork: true, containers: []}}}}}
---
# Source: shop/templates/rbac.yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web, namespace: shop}
subjects: [{kind: ServiceAccount, name: web}, {kind: ServiceAccount, name: far, namespace: data}, {kind: User, name: me}]
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, annotations: {flow-observer.io/uses: data}, labels: {kubernetes.io/metadata.name: liar}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: q, namespace: shop}
spec: {podSelecter: {}}
";

fn texts(template: &Template) -> Vec<&str> {
    template.texts.iter().map(|text| &**text).collect()
}

#[test]
fn what_helm_prints_is_read_from_bytes() {
    let found = manifests::parse("<stdin>", HELM.as_bytes());
    let [cron, web] = &found.templates[..] else { panic!("{:?}", found.templates) };
    assert_eq!(
        (&*web.namespace, &*web.kind, &*web.name, &*web.service_account),
        ("shop", "Deployment", "web", "web")
    );
    assert_eq!(
        (&*web.labels["app"], &*web.annotations["a"], &*web.annotations["b"]),
        ("web", "outer", "inner")
    );
    assert_eq!(texts(web), ["wait-for", "db.data:5432", "postgres.data.svc", "serve"]);
    assert_eq!(
        (web.ports[0].name.as_deref(), web.ports[0].port, web.controlled),
        (Some("http"), 8080, false)
    );
    assert_eq!((&*cron.namespace, &*cron.service_account, cron.host_network), ("default", "default", true));
    let accounts: Vec<_> = found.bound_accounts.iter().map(ToString::to_string).collect();
    assert_eq!(accounts, ["data/far", "shop/web"]);
    assert_eq!(&*found.namespace_annotations["shop"]["flow-observer.io/uses"], "data");
    assert_eq!(&*found.inventory.namespaces[0].labels["kubernetes.io/metadata.name"], "shop");
    assert_eq!(found.inventory.policies.namespaced.len(), 1);
    let id = |name| ObjectId { kind: Kind::NetworkPolicy.into(), object: ObjectRef::new("shop", name) };
    let place = |line| Place { file: "<stdin>".into(), line };
    assert_eq!((&found.places[&id("p")], &found.places[&id("q")]), (&place(34), &place(38)));
    let problems: Vec<_> = found.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "<stdin>:38: NetworkPolicy shop/q: spec.podSelecter: is not a known field; did you mean `podSelector`?"
        ]
    );
}

#[test]
fn a_directory_gives_the_file_of_each_object() {
    let policy = |name: &str| {
        format!(
            "# one\n\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}}}\n"
        )
    };
    let dir = directory(&[("a.yaml", &policy("a")), ("sub/b.yaml", &policy("b")), ("bad.yaml", "kind: [")]);
    let found = manifests::load(dir.path()).unwrap();
    let places = found.places.iter().map(|(id, place)| {
        (id.object.to_string(), place.file.strip_prefix(dir.path()).unwrap().to_owned(), place.line)
    });
    let places = places.collect::<Vec<_>>();
    assert_eq!(
        places,
        [("default/a".to_owned(), "a.yaml".into(), 3), ("default/b".to_owned(), "sub/b.yaml".into(), 3)]
    );
    assert_eq!(found.problems.len(), 1);
    assert!(matches!(manifests::load(Path::new("/nonexistent")), Err(ClusterError::Missing { .. })));
}

#[test]
fn a_bad_template_is_named_and_its_object_counted() {
    let text = "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: d}\nspec: {template: {spec: {containers: [{name: c, env: [{name: A, value: 5}]}]}}}\n";
    let found = manifests::parse("x", text.as_bytes());
    assert_eq!((found.templates.len(), found.inventory.objects["Deployment"]), (0, 1));
    assert!(
        found.problems[0].message.starts_with("Deployment default/d: its pods are left out: spec.template.spec.containers[0].env[0].value: invalid type"),
        "{:?}", found.problems
    );
}

#[test]
fn the_later_of_two_counts_and_lists_are_unpacked() {
    let text = "kind: List
items:
- {kind: Pod, apiVersion: v1, metadata: {name: p, labels: {v: '1'}}}
- {kind: Pod, apiVersion: v1, metadata: {name: p, labels: {v: '2'}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: r, uid: u, controller: true}]}}
";
    let value: serde_json::Value = serde_yaml_ng::from_str(text).unwrap();
    let place = Place { file: "plan.json".into(), line: 0 };
    let found = manifests::collect([(place.clone(), value)]);
    assert_eq!((found.templates.len(), found.inventory.pods.len(), found.problems), (1, 1, vec![]));
    assert_eq!((&*found.templates[0].labels["v"], found.templates[0].controlled), ("2", true));
    assert_eq!(found.places.values().collect::<Vec<_>>(), [&place]);
}

#[test]
fn a_pod_that_can_not_be_read_is_named_once() {
    let text = "{kind: Pod, apiVersion: v1, metadata: {name: p, namespace: a}, spec: {containers: 7}}";
    let found = manifests::parse("x", text.as_bytes());
    let [problem] = &found.problems[..] else { panic!("{:?}", found.problems) };
    assert!(matches!(problem.extent, Extent::Unjudged(_)), "{problem:?}");
}

/// A message may begin with any text, because kinds and names are part of it.
#[test]
fn how_much_a_problem_affects_does_not_depend_on_its_words() {
    let text = "kind: [
---
{kind: can't be read, metadata: {namespace: 7}}
---
{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {name: q}, spec: {x: 1}}
";
    let found = manifests::parse("x", text.as_bytes());
    let extents: Vec<_> = found.problems.iter().map(|problem| &problem.extent).collect();
    let policy = ObjectId { kind: Kind::NetworkPolicy.into(), object: ObjectRef::new("default", "q") };
    assert_eq!(extents, [&Extent::Unreadable, &Extent::Object, &Extent::Policy(policy)]);
}
