//! A cluster of the size for which the audit must be quick.

use super::*;

const NAMESPACES: usize = 100;
const POLICIES: usize = 1_000;
const FLOWS: usize = 10_000;

/// Policy `i` of namespace `i % NAMESPACES` lets `app=a<i>` be reached on port `i`, from the next namespace.
fn policies() -> String {
    let one = |i: usize| {
        let (own, next) = (i % NAMESPACES, (i + 1) % NAMESPACES);
        let from =
            format!("{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: ns{next}}}}}}}");
        let spec = format!(
            "{{podSelector: {{matchLabels: {{app: a{i}}}}}, ingress: [{{from: [{from}], ports: [{{port: {}}}]}}]}}",
            i + 1
        );
        policy(&format!("ns{own}"), &format!("p{i}"), &spec)
    };
    (0..POLICIES).map(one).collect()
}

#[test]
fn a_thousand_policies_and_ten_thousand_flows() {
    let pods: Vec<_> = (0..POLICIES)
        .map(|i| {
            pod(
                &format!("ns{}", i % NAMESPACES),
                &format!("w{i}"),
                &format!("10.42.{}.{}", i / 250, i % 250 + 1),
                &json!({"app": format!("a{i}")}),
            )
        })
        .collect();
    // Every second flow goes to the admitted port. All come from the admitted namespace.
    let flows: Vec<_> = (0..FLOWS)
        .map(|i| {
            let dst = i % POLICIES;
            let src = (dst + 1 + (i / POLICIES) * NAMESPACES) % POLICIES;
            let port = if i % 2 == 0 { dst + 1 } else { dst + 2 };
            flow(&end(&pods[src]), &end(&pods[dst]), u16::try_from(port).unwrap())
        })
        .collect();
    let report = report(&policies(), &[read(&snapshot(&pods, json!([]), &flows))]);
    let judged = report.flows.unwrap();
    assert_eq!((judged.judged, judged.allowed, judged.denied), (FLOWS, FLOWS / 2, FLOWS / 2));
    assert_eq!(report.policies, POLICIES);
    assert_eq!(rules(&report), ["flow-denied"]);
    assert_eq!(report.findings.len(), FLOWS / 2, "each is between two other workloads");
}
