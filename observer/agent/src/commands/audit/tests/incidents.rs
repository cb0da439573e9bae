//! The incidents that this command is for.

use super::*;

const ALLOWED: [&str; 4] = ["pal-e-app", "basketball-api", "cnpg-system", "monitoring"];

fn allow(namespaces: &[&str]) -> String {
    let rules: Vec<_> = namespaces
        .iter()
        .map(|name| {
            format!(
                "{{from: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}}}]}}"
            )
        })
        .collect();
    policy(
        "postgres",
        "default-deny-ingress",
        &format!("{{podSelector: {{}}, ingress: [{}]}}", rules.join(", ")),
    )
}

fn pods() -> Vec<Value> {
    let of = |namespace: &str, ip: &str| pod(namespace, namespace, ip, &json!({"app": namespace}));
    let mut pods = vec![of("pal-e-docs", "10.42.0.10"), of("postgres", "10.42.0.12")];
    pods.extend(ALLOWED.iter().zip(20..).map(|(name, n)| of(name, &format!("10.42.0.{n}"))));
    pods
}

/// The cluster before the change: its policies, and flows of pal-e-docs.
fn before() -> Baseline {
    let pods = pods();
    let mut namespaces = ALLOWED.to_vec();
    namespaces.push("pal-e-docs");
    let today = manifests::stdin(allow(&namespaces).as_bytes(), None).unwrap();
    let policies = serde_json::to_value(&today.policies[0].object).unwrap();
    let mut dst = end(&pods[1]);
    dst["service"] = json!("postgres/pal-e-postgres-rw");
    read(&snapshot(
        &pods,
        json!([policies]),
        &[flow(&end(&pods[0]), &dst, 5432), flow(&end(&pods[2]), &dst, 5432)],
    ))
}

#[test]
fn the_policy_that_drops_pal_e_docs_is_stopped() {
    let report = report(&allow(&ALLOWED), &[before()]);
    assert_eq!(rules(&report), ["flow-denied"], "{:#?}", report.findings);
    let finding = only(&report, "flow-denied");
    assert_eq!(finding.object, "NetworkPolicy postgres/default-deny-ingress");
    assert_eq!(finding.place.as_ref().unwrap().to_string(), "standard input:2");
    for part in [
        "pal-e-docs/pal-e-docs could not connect to postgres/postgres:5432 (Service postgres/pal-e-postgres-rw)",
        "refused by NetworkPolicy postgres/default-deny-ingress",
        "namespace pal-e-docs",
        "3 connections seen, 1 open, last at 2026-04-29T10:00:00Z",
        "today's policies allow it",
    ] {
        assert!(finding.message.contains(part), "no {part:?} in {}", finding.message);
    }
    let judged = report.flows.unwrap();
    assert_eq!((judged.judged, judged.allowed, judged.denied, judged.unknown), (2, 1, 1, 0));
}

#[test]
fn the_fixed_policy_is_clean() {
    let report = report(
        &allow(&["pal-e-app", "basketball-api", "pal-e-docs", "cnpg-system", "monitoring"]),
        &[before()],
    );
    assert_eq!(report.findings, []);
    assert_eq!(report.unknown, []);
}

#[test]
fn without_flows_the_declared_consumer_is_missed() {
    let docs = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: pal-e-docs, annotations: {flow-observer.io/uses: postgres}}\n";
    let all = ALLOWED.map(namespace).concat();
    let report = report(&format!("{docs}{all}{}", allow(&ALLOWED)), &[]);
    assert_eq!(rules(&report), ["consumer-not-admitted"], "{:#?}", report.findings);
    let message = &only(&report, "consumer-not-admitted").message;
    assert!(
        message.starts_with(
            "Namespace pal-e-docs is declared (flow-observer.io/uses) to use namespace postgres"
        )
    );
    assert!(message.contains("postgres/default-deny-ingress"), "{message}");
    assert_eq!(report.flows, None);
}

#[test]
fn a_namespace_that_was_renamed_is_missed() {
    let all = [namespace("pal-e-app"), namespace("monitoring"), allow(&["pal-e-production", "monitoring"])]
        .concat();
    let report = report(&all, &[]);
    assert_eq!(rules(&report), ["peer-matches-nothing"]);
    assert_eq!(
        report.findings[0].message,
        "ingress[0].from[0]: no namespace has kubernetes.io/metadata.name=pal-e-production; did you mean pal-e-app?"
    );
}

#[test]
fn immich_cannot_reach_valkey_for_a_wrong_label() {
    let peer = "{podSelector: {matchLabels: {app.kubernetes.io/name: immich-server}}}";
    let spec = format!(
        "{{podSelector: {{matchLabels: {{app.kubernetes.io/name: valkey}}}}, ingress: [{{from: [{peer}], ports: [{{port: 6379}}]}}]}}"
    );
    let name = |name: &str| json!({"app.kubernetes.io/name": name});
    let pods = [
        pod("immich", "immich-server", "10.42.0.5", &name("server")),
        pod("immich", "valkey", "10.42.0.6", &name("valkey")),
    ];
    let seen = snapshot(&pods, json!([]), &[flow(&end(&pods[0]), &end(&pods[1]), 6379)]);
    let report = report(&policy("immich", "valkey", &spec), &[read(&seen)]);
    assert_eq!(rules(&report), ["flow-denied", "peer-matches-nothing"], "{:#?}", report.findings);
    assert!(
        only(&report, "peer-matches-nothing")
            .message
            .ends_with("did you mean app.kubernetes.io/name=server?")
    );
}
