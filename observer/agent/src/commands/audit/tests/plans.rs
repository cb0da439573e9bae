//! Plans of Terraform and OpenTofu.

use proptest::prelude::*;

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "callers write JSON down")]
fn manifest(spec: Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": "db", "labels": null}, "spec": spec,
    })
}

fn admits(namespace: &str) -> Value {
    let labels = json!({"kubernetes.io/metadata.name": namespace});
    let peer = json!({"ipBlock": null, "namespaceSelector": {"matchExpressions": null, "matchLabels": labels}, "podSelector": null});
    manifest(json!({
        "egress": null, "ingress": [{"from": [peer], "ports": null}], "podSelector": {"matchLabels": {}},
        "policyTypes": ["Ingress"],
    }))
}

#[expect(clippy::needless_pass_by_value, reason = "callers write JSON down")]
fn resource(actions: &[&str], before: Value, after: Value, unknown: Value) -> Value {
    let of = |manifest: Value| {
        if manifest.is_null() { manifest } else { json!({"manifest": manifest, "object": {}}) }
    };
    json!({
        "address": "module.net.kubernetes_manifest.netpol", "mode": "managed", "type": "kubernetes_manifest", "name": "netpol",
        "change": {"actions": actions, "before": of(before), "after": of(after), "after_unknown": {"manifest": unknown, "object": true}},
    })
}

fn plan(resources: &[Value]) -> Vec<u8> {
    json!({"format_version": "1.2", "terraform_version": "1.9.0", "resource_changes": resources})
        .to_string()
        .into_bytes()
}

fn seen() -> Baseline {
    let pods = [pod("web", "shop", "10.42.0.5", &json!({})), pod("db", "pg", "10.42.0.6", &json!({}))];
    let default = manifests::stdin(policy("db", "default", "{podSelector: {}}").as_bytes(), None).unwrap();
    let p = manifests::stdin(admits("web").to_string().as_bytes(), None).unwrap();
    let policies: Vec<_> =
        [&default, &p].map(|change| serde_json::to_value(&change.policies[0].object).unwrap()).into();
    read(&snapshot(&pods, json!(policies), &[flow(&end(&pods[0]), &end(&pods[1]), 5432)]))
}

fn audited(plan: &[u8]) -> Report {
    audit(&plan::change(plan).unwrap(), &[seen()])
}

#[test]
fn a_plan_without_changes_is_clean() {
    let report = audited(&plan(&[resource(&["no-op"], admits("web"), admits("web"), json!({}))]));
    assert_eq!((report.findings.as_slice(), report.policies), (&[][..], 1));
}

#[test]
fn an_update_is_judged_and_named_by_its_address() {
    let report = audited(&plan(&[resource(&["update"], admits("web"), admits("db"), json!({}))]));
    let finding = only(&report, "flow-denied");
    assert_eq!(finding.place.as_ref().unwrap().to_string(), "module.net.kubernetes_manifest.netpol");
}

#[test]
fn a_deletion_removes_what_the_policy_admitted() {
    let report = audited(&plan(&[resource(&["delete"], admits("web"), Value::Null, json!({}))]));
    let finding = only(&report, "flow-denied");
    assert_eq!(finding.place.as_ref().unwrap().to_string(), "module.net.kubernetes_manifest.netpol");
    assert!(finding.message.contains("db/default"), "{}", finding.message);
}

#[test]
fn a_replacement_under_another_name_removes_the_old_one() {
    let mut renamed = admits("db");
    renamed["metadata"]["name"] = json!("q");
    let report = audited(&plan(&[resource(&["delete", "create"], admits("web"), renamed, json!({}))]));
    assert_eq!(rules(&report), ["flow-denied"]);
}

#[test]
fn forgotten_resources_stay_in_the_cluster() {
    let report = audited(&plan(&[resource(&["forget"], admits("web"), Value::Null, json!({}))]));
    assert_eq!(report.findings, []);
}

#[test]
fn a_value_known_after_apply_makes_the_policy_unknown() {
    let unknown = json!({"spec": {"ingress": [{"from": [{"namespaceSelector": {"matchLabels": true}}]}]}});
    let report = audited(&plan(&[resource(&["update"], admits("web"), admits("web"), unknown)]));
    assert_eq!(rules(&report), ["broken-policy"]);
    assert!(report.findings[0].message.contains("matchLabels"), "{}", report.findings[0].message);
    assert_eq!(report.unknown.len(), 1);
    let report = audited(&plan(&[resource(&["create"], Value::Null, Value::Null, json!(true))]));
    assert!(report.findings[0].message.contains("only known when the plan is applied"));
}

#[test]
fn unknown_values_elsewhere_do_not_matter() {
    let unknown = json!({"metadata": {"uid": true, "labels": {"x": true}}});
    let report = audited(&plan(&[resource(&["update"], admits("web"), admits("web"), unknown)]));
    assert_eq!(report.findings, []);
}

#[test]
fn planned_values_and_their_modules_are_the_fallback() {
    let of = |manifest: Value| json!({"address": "a.b", "mode": "managed", "type": "kubernetes_manifest", "values": {"manifest": manifest}});
    let module =
        json!({"resources": [], "child_modules": [{"child_modules": [{"resources": [of(admits("db"))]}]}]});
    let json = json!({"planned_values": {"root_module": module}});
    assert_eq!(rules(&audited(json.to_string().as_bytes())), ["flow-denied"]);
}

#[test]
fn namespaces_and_yaml_of_other_providers_are_read() {
    let change = |kind: &str, after: Value| {
        json!({
            "address": format!("{kind}.x"), "type": kind, "change": {"actions": ["create"], "before": null, "after": after, "after_unknown": {}},
        })
    };
    let metadata = json!([{"name": "docs", "labels": {"team": "a"}, "annotations": {"flow-observer.io/uses": "db"}, "generate_name": null}]);
    let resources = [
        change("kubernetes_namespace_v1", json!({"metadata": metadata})),
        change("kubectl_manifest", json!({"yaml_body": policy("db", "p", "{podSelector: {}}")})),
        change("helm_release", json!({"chart": "db"})),
    ];
    let change = plan::change(&plan(&resources)).unwrap();
    assert_eq!(change.namespaces[0].namespace.labels.get("team").map(|v| &**v), Some("a"));
    assert_eq!(change.policies[0].place.to_string(), "kubectl_manifest.x");
    assert_eq!(change.unjudged[0].object, "helm_release");
    assert_eq!(rules(&audit(&change, &[])), ["consumer-not-admitted"]);
}

/// A change of a resource of any type.
#[expect(clippy::needless_pass_by_value, reason = "callers write JSON down")]
fn changed(kind: &str, actions: &[&str], before: Value, after: Value, unknown: Value) -> Value {
    json!({
        "address": format!("{kind}.x"), "mode": "managed", "type": kind,
        "change": {"actions": actions, "before": before, "after": after, "after_unknown": unknown},
    })
}

/// The provider's own form of a policy that admits a namespace, or nobody.
fn blocks(name: &str, namespace: Option<&str>) -> Value {
    let labels = json!({"kubernetes.io/metadata.name": namespace});
    let selector = json!([{"match_labels": labels, "match_expressions": []}]);
    let rule = json!({
        "from": [{"ip_block": [], "namespace_selector": selector, "pod_selector": []}],
        "ports": [{"port": "5432", "protocol": "TCP", "end_port": 0}],
    });
    json!({
        "metadata": [{"name": name, "namespace": "db", "generate_name": null, "labels": null, "annotations": null}],
        "spec": [{
            "pod_selector": [{"match_labels": null, "match_expressions": []}], "policy_types": ["Ingress"],
            "ingress": namespace.map_or(json!([]), |_| json!([rule])), "egress": [],
        }],
    })
}

#[test]
fn the_providers_own_form_of_policies_is_read() {
    for kind in ["kubernetes_network_policy", "kubernetes_network_policy_v1"] {
        let update =
            |after: Value| plan(&[changed(kind, &["update"], blocks("p", Some("web")), after, json!({}))]);
        assert_eq!(audited(&update(blocks("p", Some("web")))).findings, []);
        assert_eq!(rules(&audited(&update(blocks("p", None)))), ["flow-denied"]);
        let delete = changed(kind, &["delete"], blocks("p", Some("web")), Value::Null, json!({}));
        assert_eq!(rules(&audited(&plan(&[delete]))), ["flow-denied"]);
        let replace =
            changed(kind, &["create", "delete"], blocks("p", Some("web")), blocks("q", None), json!({}));
        assert_eq!(rules(&audited(&plan(&[replace]))), ["flow-denied"]);
    }
}

#[test]
fn an_empty_block_admits_everybody() {
    let mut open = blocks("p", None);
    open["spec"][0]["ingress"] = json!([{"from": [], "ports": []}]);
    let report =
        audited(&plan(&[changed("kubernetes_network_policy", &["create"], Value::Null, open, json!({}))]));
    assert_eq!((report.findings.as_slice(), report.unjudged.as_slice()), (&[][..], &[][..]));
}

#[test]
fn unknown_values_of_blocks_make_the_verdict_unknown() {
    for unknown in [
        json!({"spec": [{"ingress": [{"ports": [{"port": true}]}]}]}),
        json!({"spec": [{"pod_selector": [{"match_labels": true}]}]}),
        json!({"spec": true}),
        json!({"metadata": [{"namespace": true}]}),
    ] {
        let update =
            changed("kubernetes_network_policy", &["update"], Value::Null, blocks("p", Some("web")), unknown);
        let report = audited(&plan(&[update]));
        assert_eq!((rules(&report), report.unknown.len()), (vec!["broken-policy"], 1), "{report:#?}");
    }
}

fn body(name: &str, spec: &str) -> Value {
    json!({"yaml_body": policy("db", name, spec), "override_namespace": null})
}

#[test]
fn manifests_of_the_kubectl_provider_are_deleted_and_replaced_too() {
    let admits = "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}}]}]}";
    let gone = changed("kubectl_manifest", &["delete"], body("p", admits), Value::Null, json!({}));
    assert_eq!(rules(&audited(&plan(&[gone]))), ["flow-denied"]);
    let renamed = changed(
        "kubectl_manifest",
        &["delete", "create"],
        body("p", admits),
        body("q", "{podSelector: {}}"),
        json!({}),
    );
    assert_eq!(rules(&audited(&plan(&[renamed]))), ["flow-denied"]);
}

#[test]
fn override_namespace_decides() {
    let mut deny = body("deny", "{podSelector: {}}");
    deny["yaml_body"] = policy("elsewhere", "p", "{podSelector: {}}").into();
    let plan = |deny: &Value, unknown: Value| {
        plan(&[changed("kubectl_manifest", &["create"], Value::Null, deny.clone(), unknown)])
    };
    assert_eq!(audited(&plan(&deny, json!({}))).findings, []);
    deny["override_namespace"] = "db".into();
    assert_eq!(rules(&audited(&plan(&deny, json!({})))), ["flow-denied"]);
    let report = audited(&plan(&deny, json!({"override_namespace": true})));
    assert_eq!((rules(&report), report.unknown.len()), (vec!["broken-policy"], 1));
    assert!(report.findings[0].message.contains("its namespace is only known"), "{report:#?}");
}

#[test]
fn an_update_to_content_that_is_not_known_leaves_the_policy_unknown() {
    let unknown = json!({"yaml_body": true});
    let update = changed("kubectl_manifest", &["update"], body("p", "{podSelector: {}}"), json!({}), unknown);
    let report = audited(&plan(&[update]));
    assert_eq!((rules(&report), report.unknown.len()), (vec!["broken-policy"], 1));
}

#[test]
fn labels_of_a_namespace_that_are_not_known_make_the_verdict_unknown() {
    let metadata = json!({"metadata": [{"name": "web", "labels": {"team": null}}]});
    let unknown = json!({"metadata": [{"labels": {"team": true}}]});
    let report =
        audited(&plan(&[changed("kubernetes_namespace", &["update"], metadata.clone(), metadata, unknown)]));
    assert_eq!((rules(&report), report.unknown.len()), (vec!["broken-policy"], 1));
}

#[test]
fn a_resource_that_takes_the_place_of_a_forgotten_one_removes_nothing() {
    let replace = changed(
        "kubernetes_network_policy",
        &["create", "forget"],
        blocks("p", Some("web")),
        blocks("q", None),
        json!({}),
    );
    assert_eq!(audited(&plan(&[replace])).findings, []);
}

#[test]
fn workloads_in_the_providers_own_form_are_counted() {
    let pods = ["kubernetes_deployment", "kubernetes_deployment_v1", "kubernetes_config_map"];
    let plan = |action: &str| {
        let changed = |kind: &str| changed(kind, &[action], Value::Null, json!({}), json!({}));
        plan::change(&plan(&pods.map(changed))).unwrap()
    };
    let unchanged = plan("no-op");
    assert_eq!(
        unchanged.notes,
        ["1 of type kubernetes_deployment not read", "1 of type kubernetes_deployment_v1 not read"]
    );
    assert_eq!(unchanged.unjudged, []);
    for action in ["create", "update", "delete"] {
        let unjudged: Vec<_> = plan(action).unjudged.into_iter().map(|unjudged| unjudged.object).collect();
        assert_eq!(unjudged, ["kubernetes_deployment", "kubernetes_deployment_v1"]);
    }
}

#[test]
fn content_that_a_plan_does_not_show_is_not_known() {
    let null = Value::Null;
    for kind in
        ["kubernetes_manifest", "kubectl_manifest", "kubernetes_network_policy", "kubernetes_namespace"]
    {
        for (after, unknown) in [
            (null.clone(), json!({})),
            (json!({"manifest": null, "yaml_body": null}), json!({})),
            (body("p", "{podSelector: {}}"), json!(true)),
        ] {
            let update = changed(kind, &["update"], null.clone(), after.clone(), unknown);
            let report = audited(&plan(&[update]));
            assert_eq!((rules(&report), report.unknown.len()), (vec!["broken-policy"], 1), "{kind} {after}");
        }
    }
}

#[test]
fn a_plan_that_lacks_a_part_of_the_change_is_not_judged() {
    for (field, value) in [("errored", true), ("complete", false)] {
        let mut json: Value = serde_json::from_slice(&plan(&[])).unwrap();
        json[field] = value.into();
        let change = plan::change(json.to_string().as_bytes()).unwrap();
        assert_eq!(change.unjudged[0].object, "plan", "{field}");
    }
    let planned = json!({"planned_values": {"root_module": {}}});
    assert_eq!(plan::change(planned.to_string().as_bytes()).unwrap().unjudged.len(), 1);
    let state = json!({"values": {"root_module": {}}});
    assert_eq!(plan::change(state.to_string().as_bytes()).unwrap().unjudged, []);
}

#[test]
fn resources_that_are_not_in_the_plan_are_not_judged() {
    for kind in ["helm_release", "helmfile_release_set", "rancher2_app_v2", "kustomization_resource"] {
        let change = |action: &str| {
            plan::change(&plan(&[changed(kind, &[action], json!({}), json!({}), json!({}))]))
                .unwrap()
                .unjudged
        };
        for action in ["create", "update", "delete"] {
            assert_eq!(change(action)[0].object, kind);
        }
        assert_eq!(change("no-op"), []);
    }
}

#[test]
fn errors_about_other_files_name_the_remedy() {
    for (text, part) in [("PK\u{3}", "it is not JSON"), ("{}", "neither resource_changes nor planned_values")]
    {
        let error = plan::change(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("tofu show -json"), "{error}");
    }
}

/// Any JSON with the names that plans and snapshots have.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "resource_changes",
        "planned_values",
        "root_module",
        "child_modules",
        "resources",
        "address",
        "type",
        "values",
        "change",
        "actions",
        "before",
        "after",
        "after_unknown",
        "manifest",
        "kubernetes_manifest",
        "kubernetes_namespace",
        "kubectl_manifest",
        "yaml_body",
        "metadata",
        "name",
        "namespace",
        "kind",
        "NetworkPolicy",
        "apiVersion",
        "networking.k8s.io/v1",
        "spec",
        "podSelector",
        "ingress",
        "create",
        "delete",
        "version",
        "inventory",
        "flows",
        "node",
        "time",
        "src",
        "dst",
        "ip",
    ]);
    let word = word.prop_map(str::to_owned).boxed();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 6, move |inner| {
        let object = prop::collection::vec((word.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_plan_and_no_baseline_panics(json in any_json()) {
        if let Ok(change) = plan::change(json.to_string().as_bytes()) {
            drop(audit(&change, &[]));
        }
        drop(Baseline::from_json(json.to_string().as_bytes()));
    }

    #[test]
    fn no_resource_panics(before in any_json(), after in any_json(), unknown in any_json(), values in any_json()) {
        let mut odd = resource(&["update"], before, after.clone(), unknown);
        let change = plan::change(&plan(&[odd.clone()])).unwrap();
        drop(audit(&change, &[seen()]));
        odd["change"]["after"] = values;
        odd["change"]["after_unknown"] = after;
        drop(audit(&plan::change(&plan(&[odd])).unwrap(), &[seen()]));
    }
}
