//! NetworkPolicy: what the API leaves open to readers, and what it refuses.

use flow_model::policies::{BrokenPolicy, NetworkPolicy};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

/// A policy `data/p` with this `spec`, in YAML flow or block style.
fn mk_policy(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: data}}\nspec: {spec}\n"
    )
}

fn policy(yaml: &str) -> NetworkPolicy {
    let inventory = inventory(yaml);
    assert_eq!(inventory.policies.namespaced.len(), 1, "{yaml}");
    NetworkPolicy::clone(&inventory.policies.namespaced[0])
}

/// The one broken policy, after its problem was compared with it.
pub(super) fn broken(yaml: &str) -> BrokenPolicy {
    let loaded = loaded(&[("x.yaml", yaml)]);
    let policies = &loaded.inventory.policies;
    assert_eq!(
        (policies.namespaced.len(), policies.tiered.len(), policies.broken.len()),
        (0, 0, 1),
        "{yaml}"
    );
    let broken = BrokenPolicy::clone(&policies.broken[0]);
    let at = if broken.namespace.is_empty() { String::new() } else { format!("{}/", broken.namespace) };
    let message = format!("{} {at}{}: {}", broken.kind, broken.name, broken.why);
    assert_eq!(loaded.problems.iter().map(|p| (p.line, &*p.message)).collect::<Vec<_>>(), [(1, &*message)]);
    assert_eq!(loaded.inventory.objects[&crate::index::UNREADABLE], 1);
    assert_eq!(loaded.inventory.objects[&broken.kind], 1);
    broken
}

/// The rules of a policy in short: `from|ports` of each, `-` for a direction that isn't isolated.
fn short(rules: Option<&Vec<flow_model::policies::Rule>>) -> Value {
    rules.map_or(json!("-"), |rules| {
        rules.iter().map(|rule| json!([rule.peers.len(), rule.ports.len()])).collect()
    })
}

#[rstest]
#[case::nothing("null", json!([]), json!("-"))]
#[case::empty("{}", json!([]), json!("-"))]
#[case::types_null("{policyTypes: null}", json!([]), json!("-"))]
#[case::types_empty("{policyTypes: []}", json!([]), json!("-"))]
#[case::egress_empty("{egress: []}", json!([]), json!("-"))]
#[case::egress_null("{egress: null}", json!([]), json!("-"))]
#[case::egress_any("{egress: [{}]}", json!([]), json!([[0, 0]]))]
#[case::ingress_null("{ingress: null, policyTypes: [Ingress]}", json!([]), json!("-"))]
#[case::all("{ingress: [{}]}", json!([[0, 0]]), json!("-"))]
#[case::all_by_null("{ingress: [{from: null, ports: null}]}", json!([[0, 0]]), json!("-"))]
#[case::all_by_empty("{ingress: [{from: [], ports: []}]}", json!([[0, 0]]), json!("-"))]
#[case::two("{ingress: [{from: [{podSelector: {}}]}, {ports: [{}]}]}", json!([[1, 0], [0, 1]]), json!("-"))]
#[case::only_egress("{policyTypes: [Egress], ingress: [{}]}", json!("-"), json!([]))]
#[case::only_ingress("{policyTypes: [Ingress], egress: [{}]}", json!([]), json!("-"))]
#[case::both("{policyTypes: [Egress, Ingress]}", json!([]), json!([]))]
fn directions(#[case] spec: &str, #[case] ingress: Value, #[case] egress: Value) {
    let policy = policy(&mk_policy(spec));
    assert_eq!((short(policy.ingress.as_ref()), short(policy.egress.as_ref())), (ingress, egress));
}

#[test]
fn without_spec_it_is_a_default_deny() {
    let policy = policy("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}}");
    assert_eq!((&*policy.namespace, policy.selector.requirements.len()), ("default", 0));
    assert_eq!((policy.ingress, policy.egress), (Some(vec![]), None));
}

#[rstest]
#[case("{podSelector: {}}", json!({"pods": {"namespaces": null, "pods": {"requirements": []}}}))]
#[case("{namespaceSelector: {}, podSelector: null}", json!({"pods": {"namespaces": {"requirements": []}, "pods": null}}))]
#[case(
    "{namespaceSelector: {matchLabels: {b: '', a/b: x}}, podSelector: {matchLabels: null, matchExpressions: null}}",
    json!({"pods": {
        "namespaces": {"requirements": [{"key": "a/b", "operator": {"in": ["x"]}}, {"key": "b", "operator": {"in": [""]}}]},
        "pods": {"requirements": []}
    }})
)]
#[case(
    "{podSelector: {matchLabels: {z: '1'}, matchExpressions: [{key: a, operator: In, values: [x, '']}, \
     {key: a, operator: NotIn, values: ['y']}, {key: b, operator: Exists}, {key: c, operator: DoesNotExist, values: []}]}}",
    json!({"pods": {"namespaces": null, "pods": {"requirements": [
        {"key": "z", "operator": {"in": ["1"]}}, {"key": "a", "operator": {"in": ["x", ""]}},
        {"key": "a", "operator": {"not_in": ["y"]}}, {"key": "b", "operator": "exists"},
        {"key": "c", "operator": "does_not_exist"}
    ]}}})
)]
#[case("{ipBlock: {cidr: 10.0.0.5/8}}", json!({"block": {"cidr": "10.0.0.0/8", "except": []}}))]
#[case("{ipBlock: {cidr: 0.0.0.0/0, except: [10.1.2.3/16]}}", json!({"block": {"cidr": "0.0.0.0/0", "except": ["10.1.0.0/16"]}}))]
#[case("{ipBlock: {cidr: 'fd00::1/8', except: null}}", json!({"block": {"cidr": "fd00::/8", "except": []}}))]
#[case("{ipBlock: {cidr: '::ffff:10.0.0.0/104'}}", json!({"block": {"cidr": "10.0.0.0/8", "except": []}}))]
#[case("{ipBlock: {cidr: '::/0'}}", json!({"block": {"cidr": "::/0", "except": []}}))]
fn peers(#[case] peer: &str, #[case] expect: Value) {
    for spec in [
        format!("{{ingress: [{{from: [{peer}]}}]}}"),
        format!("{{policyTypes: [Egress], egress: [{{to: [{peer}]}}]}}"),
    ] {
        let policy = policy(&mk_policy(&spec));
        let rules = policy.ingress.or(policy.egress).unwrap();
        assert_eq!(serde_json::to_value(&rules[0].peers[0]).unwrap(), expect);
    }
}

#[rstest]
#[case("{}", json!({"protocol": "TCP", "port": "all"}))]
#[case("{protocol: UDP}", json!({"protocol": "UDP", "port": "all"}))]
#[case("{port: 80, protocol: null, endPort: null}", json!({"protocol": "TCP", "port": {"range": [80, 80]}}))]
#[case("{port: 65535, protocol: SCTP}", json!({"protocol": "SCTP", "port": {"range": [65535, 65535]}}))]
#[case("{port: 80, endPort: 90}", json!({"protocol": "TCP", "port": {"range": [80, 90]}}))]
#[case("{port: 80, endPort: 80}", json!({"protocol": "TCP", "port": {"range": [80, 80]}}))]
#[case("{port: http}", json!({"protocol": "TCP", "port": {"named": "http"}}))]
fn ports(#[case] port: &str, #[case] expect: Value) {
    let policy = policy(&mk_policy(&format!("{{ingress: [{{ports: [{port}]}}]}}")));
    assert_eq!(serde_json::to_value(&policy.ingress.unwrap()[0].ports[0]).unwrap(), expect);
}

#[rstest]
#[case("{ipBlock: {cidr: 10.0.0.0/33}}", ".ipBlock.cidr: `10.0.0.0/33` is not a CIDR")]
#[case(
    "{ipBlock: {cidr: 10.0.0.7}}",
    ".ipBlock.cidr: `10.0.0.7` is not a CIDR: one address is written 10.0.0.7/32"
)]
#[case("{ipBlock: {cidr: ''}}", ".ipBlock.cidr: `` is not a CIDR")]
#[case("{ipBlock: {}}", ".ipBlock.cidr: is missing")]
#[case(
    "{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}",
    ".ipBlock.except[0]: `11.0.0.0/16` is not inside 10.0.0.0/8, and smaller"
)]
#[case(
    "{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}",
    ".ipBlock.except[0]: `10.0.0.0/8` is not inside 10.0.0.0/8, and smaller"
)]
#[case(
    "{ipBlock: {cidr: 10.0.0.0/8, except: ['fd00::/8']}}",
    ".ipBlock.except[0]: `fd00::/8` is not inside 10.0.0.0/8, and smaller"
)]
#[case(
    "{ipBlock: {cidr: 10.0.0.0/8, excepts: []}}",
    ".ipBlock.excepts: is not a known field; did you mean `except`?"
)]
#[case(
    "{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}",
    ".ipBlock: stands alone, without podSelector and namespaceSelector"
)]
#[case("{}", ": needs a podSelector, a namespaceSelector or an ipBlock")]
#[case("{podSelector: null}", ": needs a podSelector, a namespaceSelector or an ipBlock")]
#[case("null", ": must be an object, not null")]
#[case("{podSelectr: {}}", ".podSelectr: is not a known field; did you mean `podSelector`?")]
#[case("{serviceAccounts: {}}", ".serviceAccounts: is not a known field")]
#[case("{podSelector: {app: x}}", ".podSelector.app: is not a known field")]
#[case(
    "{podSelector: {matchLabels: {app.io/x: true}}}",
    ".podSelector.matchLabels[`app.io/x`]: must be text, not the boolean true: quote it"
)]
#[case(
    "{podSelector: {matchLabels: {a: 1}}}",
    ".podSelector.matchLabels.a: must be text, not the number 1: quote it"
)]
#[case("{podSelector: {matchLabels: {a: }}}", ".podSelector.matchLabels.a: must be text, not null")]
#[case("{podSelector: {matchLabels: {a: -x}}}", ".podSelector.matchLabels.a: `-x` is not a label value")]
#[case("{podSelector: {matchLabels: {a b: x}}}", ".podSelector.matchLabels.a b: `a b` is not a label key")]
#[case(
    "{podSelector: {matchExpressions: [{key: a, operator: In}]}}",
    ".podSelector.matchExpressions[0]: In needs values"
)]
#[case(
    "{podSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}}",
    ".podSelector.matchExpressions[0]: NotIn needs values"
)]
#[case(
    "{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [x]}]}}",
    ".podSelector.matchExpressions[0]: Exists takes no values"
)]
#[case(
    "{podSelector: {matchExpressions: [{key: a, operator: in, values: [x]}]}}",
    ".podSelector.matchExpressions[0].operator: `in` is not one of In, NotIn, Exists, DoesNotExist"
)]
#[case(
    "{podSelector: {matchExpressions: [{operator: Exists}]}}",
    ".podSelector.matchExpressions[0].key: is missing"
)]
#[case(
    "{podSelector: {matchExpressions: [{key: a, operator: In, values: [on, 2]}]}}",
    ".podSelector.matchExpressions[0].values[0]: must be text, not the boolean true: quote it"
)]
fn bad_peers(#[case] peer: &str, #[case] why: &str) {
    let broken =
        broken(&mk_policy(&format!("{{ingress: [{{}}, {{from: [{{podSelector: {{}}}}, {peer}]}}]}}")));
    assert_eq!(broken.why, format!("spec.ingress[1].from[1]{why}"));
    assert_eq!((broken.ingress, broken.egress, broken.tier), (true, false, None));
    assert_eq!(broken.selector.unwrap().pods.unwrap().requirements, []);
}

#[rstest]
#[case("{port: 0}", ".port: 0 is not a port: 1 to 65535")]
#[case("{port: 65536}", ".port: 65536 is not a port: 1 to 65535")]
#[case("{port: -1}", ".port: -1 is not a port: 1 to 65535")]
#[case("{port: 80.5}", ".port: 80.5 is not an integer in range")]
#[case("{port: 1e40}", ".port: 1e+40 is not an integer in range")]
#[case(
    "{port: '80'}",
    ".port: `80` in quotes is a port's name, and a name needs a letter; for the number, leave the quotes out"
)]
#[case(
    "{port: Http}",
    ".port: `Http` is not a port name: up to 15 of a-z, 0-9 and single hyphens, with a letter"
)]
#[case("{port: true}", ".port: must be a number, not a boolean")]
#[case("{port: 80, endPort: 79}", ".endPort: 79 is below `port` 80")]
#[case("{port: 80, endPort: 70000}", ".endPort: 70000 is not a port: 1 to 65535")]
#[case("{port: 80, endPort: '90'}", ".endPort: must be a number, not the text `90`")]
#[case("{port: http, endPort: 80}", ".endPort: needs a numeric `port`, not `http`")]
#[case("{endPort: 80}", ".endPort: needs a `port`")]
#[case("{port: 80, protocol: tcp}", ".protocol: `tcp` is not one of TCP, UDP, SCTP")]
#[case("{port: 80, protocol: ICMP}", ".protocol: `ICMP` is not one of TCP, UDP, SCTP")]
#[case("{port: 80, protcol: UDP}", ".protcol: is not a known field; did you mean `protocol`?")]
#[case("80", ": must be an object, not a number")]
fn bad_ports(#[case] port: &str, #[case] why: &str) {
    let broken = broken(&mk_policy(&format!("{{policyTypes: [Egress], egress: [{{ports: [{port}]}}]}}")));
    assert_eq!(broken.why, format!("spec.egress[0].ports[0]{why}"));
    assert_eq!((broken.ingress, broken.egress), (false, true));
}

/// A broken policy may concern as few pods as its readable parts allow, and all pods without such parts.
#[rstest]
#[case("{podSelector: {matchLabels: {a: b}}, ingress: {}}", "spec.ingress: must be a list, not an object", (true, false), Some(1))]
#[case("{podSelector: {matchLabel: {a: b}}}", "spec.podSelector.matchLabel: is not a known field; did you mean `matchLabels`?", (true, false), None)]
#[case("{podSelector: {}, egress: {}}", "spec.egress: must be a list, not an object", (true, true), Some(0))]
#[case("{podSelector: {}, policyTypes: Ingress}", "spec.policyTypes: must be a list, not text", (true, true), Some(0))]
#[case("{podSelector: {}, policyTypes: [ingress]}", "spec.policyTypes[0]: `ingress` is not one of Ingress, Egress", (true, true), Some(0))]
#[case("{podSelector: {}, policyType: [Egress]}", "spec.policyType: is not a known field; did you mean `policyTypes`?", (true, true), Some(0))]
#[case("{podSelector: {}, policyTypes: [Egress], ingres: []}", "spec.ingres: is not a known field; did you mean `ingress`?", (false, true), Some(0))]
#[case("{policyTypes: [Egress], ingress: [5]}", "spec.ingress[0]: must be an object, not a number", (false, true), Some(0))]
#[case("{ingress: [{form: []}]}", "spec.ingress[0].form: is not a known field; did you mean `from`?", (true, false), Some(0))]
#[case("{ingress: [{to: []}]}", "spec.ingress[0].to: is not a known field", (true, false), Some(0))]
#[case("[]", "spec: must be an object, not a list", (true, true), None)]
#[case("{}\nSpec: {}", "Spec: is not a known field; did you mean `spec`?", (true, true), None)]
#[case("{}\npodSelector: {}", "podSelector: is not a known field", (true, true), None)]
fn what_a_broken_policy_may_touch(
    #[case] spec: &str,
    #[case] why: &str,
    #[case] directions: (bool, bool),
    #[case] requirements: Option<usize>,
) {
    let broken = broken(&mk_policy(spec));
    assert_eq!((&*broken.why, (broken.ingress, broken.egress)), (why, directions));
    let pods = broken.selector.map(|selector| {
        assert_eq!(selector.namespaces.requirements[0].key, "kubernetes.io/metadata.name");
        selector.pods.unwrap().requirements.len()
    });
    assert_eq!(pods, requirements);
}

#[rstest]
#[case("networking.k8s.io/v1beta1")]
#[case("networking.k8s.io/v2")]
#[case("extensions/v1beta1")]
fn other_versions_are_broken(#[case] version: &str) {
    let broken =
        broken(&mk_policy("{podSelector: {matchLabels: {a: b}}}").replace("networking.k8s.io/v1", version));
    assert_eq!(broken.why, format!("apiVersion: version `{version}` is not known; networking.k8s.io/v1 is"));
    assert_eq!((broken.ingress, broken.egress, broken.selector), (true, true, None));
}

#[rstest]
#[case("<name>")]
#[case("Fence")]
#[case("$NAME")]
#[case("a_b")]
fn a_name_that_the_api_refuses_makes_a_policy_a_broken_one(#[case] name: &str) {
    let yaml = format!(
        "{{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {{name: '{name}', namespace: data}}, spec: {{podSelector: {{}}}}}}"
    );
    assert_eq!(broken(&yaml).why, format!("metadata.name: `{name}` is no name that the API accepts"));
}

#[rstest]
#[case("$NS")]
#[case("<namespace>")]
#[case("Data")]
#[case("a.b")]
fn a_policy_of_a_namespace_that_can_not_exist_may_be_in_any(#[case] namespace: &str) {
    let yaml =
        mk_policy("{podSelector: {}}").replace("namespace: data", &format!("namespace: '{namespace}'"));
    let loaded = loaded(&[("x.yaml", &yaml)]);
    assert!(loaded.problems[0].message.contains("is no name that the API accepts"), "{:?}", loaded.problems);
    let [broken] = &loaded.inventory.policies.broken[..] else { panic!("{:?}", loaded.inventory.policies) };
    assert!(broken.namespace.is_empty() && broken.selector.is_none(), "{broken:?}");
}

#[test]
fn a_policy_without_version_is_broken() {
    let broken = broken("{kind: NetworkPolicy, metadata: {name: p, namespace: data}}");
    assert_eq!(broken.why, "apiVersion: is missing; networking.k8s.io/v1 is known");
}

#[test]
fn a_namespace_that_is_no_text_is_a_problem() {
    let loaded = loaded(&[("x.yaml", &mk_policy("{}").replace("namespace: data", "namespace: 5"))]);
    assert_eq!(loaded.problems[0].message, "NetworkPolicy: `metadata.namespace` must be text");
    assert_eq!(loaded.inventory.policies, flow_model::policies::Policies::default());
}

#[test]
fn the_origin_names_the_manager_that_changed_the_spec() {
    let policy = policy(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: p
  namespace: data
  uid: 7c2c
  creationTimestamp: 2026-04-01T00:00:00Z
  annotations: {flow-observer.io/audit-ignore: known to be odd}
  somethingNew: [1]
  managedFields:
  - {manager: kubectl, time: 2026-04-01T00:00:00Z, fieldsV1: {'f:spec': {}}}
  - {manager: OpenTofu, time: 2026-04-29T10:12:03Z, fieldsV1: {'f:metadata': {}, 'f:spec': {'f:ingress': {}}}}
  - {manager: labeller, time: 2026-04-30T00:00:00Z, fieldsV1: {'f:metadata': {}}}
  - {manager: timeless, fieldsV1: {'f:spec': {}}}
spec: {podSelector: {}}
status: {conditions: [{anything: goes}]}
",
    );
    let origin = &policy.origin;
    let time = |time: Option<jiff::Timestamp>| time.unwrap().to_string();
    assert_eq!(
        (&*origin.uid, time(origin.created), time(origin.changed)),
        ("7c2c", "2026-04-01T00:00:00Z".into(), "2026-04-29T10:12:03Z".into())
    );
    assert_eq!(
        (origin.manager.as_deref(), origin.audit_ignore.as_deref()),
        (Some("OpenTofu"), Some("known to be odd"))
    );
}

/// The API has whole seconds.
#[test]
fn of_several_managers_in_one_second_none_is_the_author() {
    let entry = |manager, second| {
        format!("{{manager: {manager}, time: 2026-04-29T10:12:{second}Z, fieldsV1: {{'f:spec': {{}}}}}}")
    };
    let entries = [entry("kubectl", "03"), entry("OpenTofu", "03"), entry("helm", "02")].join(", ");
    let yaml = mk_policy("{podSelector: {}}")
        .replace("namespace: data", &format!("namespace: data, managedFields: [{entries}]"));
    let policy = policy(&yaml);
    assert_eq!(policy.origin.manager, None);
    assert_eq!(policy.origin.managers, ["OpenTofu", "kubectl"]);
    assert_eq!(policy.origin.changed.unwrap().to_string(), "2026-04-29T10:12:03Z");
}

#[test]
fn policies_are_sorted_and_the_good_ones_stay() {
    let mk = |name: &str, namespace: &str, spec: &str| {
        mk_policy(spec).replace("name: p, namespace: data", &format!("name: {name}, namespace: {namespace}"))
            + "---\n"
    };
    let text = [mk("b", "'y'", "{}"), mk("a", "z", "{}"), mk("bad", "x", "5"), mk("c", "x", "{}")].concat();
    let loaded = loaded(&[("x.yaml", &text)]);
    let names = |(namespace, name): (&arcstr::ArcStr, &arcstr::ArcStr)| format!("{namespace}/{name}");
    let policies = &loaded.inventory.policies;
    assert_eq!(
        policies.namespaced.iter().map(|p| names((&p.namespace, &p.name))).collect::<Vec<_>>(),
        ["x/c", "y/b", "z/a"]
    );
    assert_eq!(policies.broken.iter().map(|p| names((&p.namespace, &p.name))).collect::<Vec<_>>(), ["x/bad"]);
    assert_eq!(loaded.inventory.objects["NetworkPolicy"], 4);
    assert_eq!((loaded.problems.len(), loaded.problems[0].line), (1, 11));
}

/// The API server reads these as booleans unless they are quoted.
#[rstest]
#[case("on", "true")]
#[case("Yes", "true")]
#[case("OFF", "false")]
#[case("no", "false")]
fn old_booleans_are_booleans_unless_quoted(#[case] word: &str, #[case] value: &str) {
    for spec in [
        format!("{{podSelector: {{matchLabels: {{a: {word}}}}}}}"),
        format!("\n  podSelector:\n    matchLabels:\n      a: {word} # a comment"),
    ] {
        let broken = broken(&mk_policy(&spec));
        assert_eq!(
            broken.why,
            format!("spec.podSelector.matchLabels.a: must be text, not the boolean {value}: quote it")
        );
    }
    let quoted =
        format!("{{podSelector: {{matchLabels: {{a: '{word}', {word}: \"{word}\", b: {word}-x}}}}}}");
    assert_eq!(policy(&mk_policy(&quoted)).selector.requirements.len(), 3);
}

#[test]
fn old_booleans_inside_other_text_change_nothing() {
    let text = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: p
  annotations:
    flow-observer.io/audit-ignore: |
      switch: on
      - off
spec: {podSelector: {matchLabels: {a: \"on\"}}}
";
    assert_eq!(policy(text).origin.audit_ignore.as_deref(), Some("switch: on\n- off\n"));
    let json = "{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\", \"metadata\": {\"name\": \"p\"}, \
        \"spec\": {\"podSelector\": {\"matchLabels\": {\"a\": \"on\"}}}}";
    assert_eq!(policy(json).selector.requirements.len(), 1);
}
