//! Policies of network plugins and meshes.

use flow_model::policies::{BrokenPolicy, Tier};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::Object;
use crate::resource::Resource;

fn broken(version: &str, kind: &str, spec: &str) -> Arc<BrokenPolicy> {
    let loaded = loaded(&[(
        "x.yaml",
        &format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: p, namespace: data}}, spec: {spec}}}"
        ),
    )]);
    assert_eq!(loaded.problems.len(), 1, "{:?}", loaded.problems);
    assert!(loaded.problems[0].message.contains("isn't judged: it is a policy of"), "{:?}", loaded.problems);
    Arc::clone(&loaded.inventory.policies.broken[0])
}

fn pods(policy: &BrokenPolicy) -> Value {
    serde_json::to_value(&policy.selector.as_ref().unwrap().pods).unwrap()
}

fn is(key: &str, value: &str) -> Value {
    json!({"key": key, "operator": {"in": [value]}})
}

#[rstest]
#[case("cilium.io/v2", "CiliumNetworkPolicy", "{endpointSelector: {matchLabels: {'k8s:app': a}}}", json!([is("app", "a")]))]
#[case("cilium.io/v2", "CiliumNetworkPolicy", "{endpointSelector: {matchLabels: {'reserved:x': a}}}", json!(null))]
#[case("projectcalico.org/v3", "NetworkPolicy", "{selector: app == 'a' && has(b) && c starts with 'd'}",
    json!([is("app", "a"), {"key": "b", "operator": "exists"}]))]
#[case("projectcalico.org/v3", "NetworkPolicy", "{selector: \"a in {'x', 'z'} && !has(b)\"}",
    json!([{"key": "a", "operator": {"in": ["x", "z"]}}, {"key": "b", "operator": "does_not_exist"}]))]
#[case("crd.projectcalico.org/v1", "NetworkPolicy", "{selector: app == 'a' || all()}", json!([]))]
#[case("projectcalico.org/v3", "NetworkPolicy", "{selector: (app == 'a' && b == 'c') && all()}", json!([]))]
#[case("projectcalico.org/v3", "NetworkPolicy", "{selector: app == 'a' && all()}", json!([is("app", "a")]))]
#[case("projectcalico.org/v3", "NetworkPolicy", "{selector: all() && has(b) && !(c == 'd')}", json!([]))]
#[case("crd.antrea.io/v1beta1", "NetworkPolicy", "{appliedTo: [{podSelector: {matchLabels: {app: a}}}]}", json!([is("app", "a")]))]
#[case("security.istio.io/v1", "AuthorizationPolicy", "{selector: {matchLabels: {app: a}}}", json!([is("app", "a")]))]
#[case("example.org/v1", "SuperNetworkPolicy", "{podSelector: {matchLabels: {app: a}}}", json!([is("app", "a")]))]
#[case("example.org/v1", "Fence", "{workloadSelector: {}, ingressRules: []}", json!(null))]
fn the_pods_that_they_may_concern(
    #[case] version: &str,
    #[case] kind: &str,
    #[case] spec: &str,
    #[case] expect: Value,
) {
    let policy = broken(version, kind, spec);
    let pods = pods(&policy);
    assert_eq!(pods.get("requirements").unwrap_or(&pods), &expect);
    assert_eq!(policy.tier, Some(Tier::Admin), "it may decide before all others");
    assert!(policy.is_unjudged());
}

#[rstest]
#[case("cilium.io/v2", "CiliumNetworkPolicy", "{endpointSelector: {}, ingressDeny: [{}]}", (true, false))]
#[case("cilium.io/v2", "CiliumClusterwideNetworkPolicy", "{nodeSelector: {}, ingress: [{}]}", (false, false))]
#[case("projectcalico.org/v3", "NetworkPolicy", "{types: [Egress]}", (false, true))]
#[case("projectcalico.org/v3", "GlobalNetworkPolicy", "{}", (true, true))]
#[case("k8s.ovn.org/v1", "EgressFirewall", "{egress: []}", (false, true))]
fn the_directions(
    #[case] version: &str,
    #[case] kind: &str,
    #[case] spec: &str,
    #[case] expect: (bool, bool),
) {
    let policy = broken(version, kind, spec);
    assert_eq!((policy.ingress, policy.egress), expect);
}

#[rstest]
#[case("projectcalico.org/v3", "StagedNetworkPolicy")]
#[case("cilium.io/v2", "CiliumEndpoint")]
#[case("monitoring.coreos.com/v1", "PodMonitor")]
#[case("policy/v1", "PodDisruptionBudget")]
#[case("networking.k8s.io/v1", "Ingress")]
fn other_kinds_are_only_counted(#[case] version: &str, #[case] kind: &str) {
    let inventory = inventory(&format!(
        "{{apiVersion: {version}, kind: {kind}, metadata: {{name: p, namespace: data}}, spec: {{selector: {{matchLabels: {{a: b}}}}}}}}"
    ));
    assert_eq!(inventory.policies, flow_model::policies::Policies::default());
}

#[rstest]
#[case(
    "apiVersion: v1, kind: NetworkPolicy",
    "{}",
    "apiVersion `v1` has no kind `NetworkPolicy`; the API refuses it; networking.k8s.io/v1 has"
)]
#[case("apiVersion: networking.k8s.io, kind: NetworkPolicy", "{}", "has no kind")]
#[case("apiVersion: policy/v1, kind: NetworkPolicy", "{}", "has no kind")]
#[case("apiVersion: apps/v1, kind: NetworkPolicy", "{}", "has no kind")]
#[case(
    "apiVersion: networking.k8s.io/v1, kind: Networkpolicy",
    "{podSelector: {}, ingress: []}",
    "has no kind"
)]
#[case("apiVersion: networking.k8s.io/v1, kind: NetPolicy", "{policyTypes: [Ingress]}", "has no kind")]
#[case("kind: CiliumNetworkPolicy", "{}", "`CiliumNetworkPolicy` without apiVersion")]
fn what_the_api_knows_under_another_name_is_not_judged(
    #[case] head: &str,
    #[case] spec: &str,
    #[case] why: &str,
) {
    let text = format!("{{{head}, metadata: {{name: p, namespace: data}}, spec: {spec}}}");
    let loaded = loaded(&[("x.yaml", &text)]);
    let [problem] = &loaded.problems[..] else { panic!("{:?}", loaded.problems) };
    assert!(problem.message.contains(why), "{problem}");
    assert!(matches!(problem.extent, crate::problem::Extent::Unjudged(_)), "{problem:?}");
}

#[test]
fn policy_types_are_the_sign_of_a_policy() {
    assert!(broken("example.org/v1", "Fence", "{policyTypes: [Egress]}").is_unjudged());
}

#[test]
fn a_kind_of_the_same_name_elsewhere_is_counted_apart() {
    let loaded = loaded(&[(
        "x.yaml",
        "{apiVersion: crd.projectcalico.org/v1, kind: NetworkPolicy, metadata: {name: p, namespace: data}}",
    )]);
    assert_eq!(loaded.inventory.objects.keys().collect::<Vec<_>>(), ["NetworkPolicy.crd.projectcalico.org"]);
}

#[rstest]
#[case("always", 1)]
#[case("never", 1)]
#[case("default", 0)]
fn settings_that_change_what_no_policy_means(#[case] setting: &str, #[case] expect: usize) {
    let text = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: cilium-config, namespace: kube-system}}, data: {{enable-policy: {setting}}}}}"
    );
    let loaded = loaded(&[("x.yaml", &text)]);
    let broken = &loaded.inventory.policies.broken;
    assert_eq!(broken.len(), expect, "{:?}", loaded.problems);
    assert!(
        broken
            .iter()
            .all(|policy| policy.selector.as_ref().is_some_and(|s| s.namespaces.requirements.is_empty()))
    );
}

#[rstest]
#[case::of_a_namespace("{ingress: [{action: Allow}], egress: [{action: Allow}]}", 0)]
#[case::that_refuses("{ingress: [{action: Deny}], egress: [{action: Allow}]}", 1)]
#[case::that_admits_some("{ingress: [{action: Allow, protocol: TCP}], egress: [{action: Allow}]}", 1)]
#[case::without_rules("{egress: [{action: Allow}]}", 1)]
fn profiles_of_calico_decide_where_no_policy_does(#[case] spec: &str, #[case] expect: usize) {
    let text = format!(
        "{{apiVersion: projectcalico.org/v3, kind: Profile, metadata: {{name: kns.web}}, spec: {spec}}}"
    );
    let loaded = loaded(&[("x.yaml", &text)]);
    let broken = &loaded.inventory.policies.broken;
    assert_eq!(broken.len(), expect, "{broken:?}");
    let everywhere = |policy: &BrokenPolicy| {
        policy.selector.as_ref().is_some_and(|pods| pods.namespaces.requirements.is_empty())
    };
    assert!(broken.iter().all(|policy| everywhere(policy)));
}

#[test]
fn every_resource_has_a_name_of_its_own() {
    let names: Vec<_> = Resource::all().map(Resource::name).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    for name in
        ["CiliumNetworkPolicy", "NetworkPolicy.crd.projectcalico.org", "SecurityPolicy.nsx.vmware.com"]
    {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
}

#[test]
fn what_calico_shows_of_kubernetes_policies_is_judged_once() {
    let of = |group: &str, name: &str| {
        let object = json!({
            "apiVersion": format!("{group}/v3"), "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": "a"},
            "spec": {"selector": "all()", "ingress": []},
        });
        Object::from_value(object, &mut Vec::new()).unwrap().is_policy()
    };
    assert!(!of("projectcalico.org", "knp.default.deny"));
    assert!(of("projectcalico.org", "deny") && of("crd.projectcalico.org", "knp.default.deny"));
}
