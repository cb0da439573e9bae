//! Leases and their Services.

use super::*;

fn mk_lease(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---\n{{kind: Lease, apiVersion: coordination.k8s.io/v1, metadata: {{namespace: {namespace}, name: {name}}}, \
         spec: {{{spec}}}}}\n"
    )
}

const SPEC: &str = "holderIdentity: node-a, acquireTime: '2026-05-16T12:14:00.000000Z', leaseTransitions: 3, leaseDurationSeconds: 5, renewTime: '2026-05-16T12:20:00.123456Z'";

/// Services beside the lease: `namespace/name`, with a VIP if `!` follows.
fn with_services(lease: &str, services: &[&str]) -> Vec<String> {
    let service = |text: &&str| {
        let (namespace, name) = text.trim_end_matches('!').split_once('/').unwrap();
        mk_service(namespace, name, if text.ends_with('!') { "{ip: 10.0.20.1}" } else { "" })
    };
    lines(&inventory(&[lease.to_owned(), services.iter().map(service).collect()].concat()))
}

#[rstest]
#[case("holderIdentity: node-a", "node-a - -")]
#[case(SPEC, "node-a 2026-05-16T12:14:00Z 3")]
#[case("holderIdentity: node-a_6f9c2b1e-77aa-4b0c-9d62-000000000001", "node-a - -")]
#[case("holderIdentity: node.example.org", "node.example.org - -")]
#[case("holderIdentity: ''", "- - -")]
#[case("holderIdentity: _x", "- - -")]
#[case("", "- - -")]
fn a_holder(#[case] spec: &str, #[case] expect: &str) {
    let found = inventory(&mk_lease("kube-system", "plndr-svcs-lock", spec));
    assert_eq!(lines(&found), [format!("Lease kube-system/plndr-svcs-lock - {expect}")]);
    assert_eq!(found.announcers[0].source.as_str(), "lease");
}

#[rstest]
#[case("kube-system", "plndr-svcs-lock", &["web/a!"], Some("-"))]
// The API server's address belongs to one Service only.
#[case("kube-system", "plndr-cp-lock", &["web/a!"], Some("default/kubernetes"))]
#[case("web", "kubevip-a", &["web/a!"], Some("web/a"))]
#[case("web", "kubevip-a", &["other/a!"], Some("web/a"))]
#[case("web", "kubevip-a-b", &[], Some("web/a-b"))]
#[case("kube-system", "kubevip-a", &["web/a", "web/b"], Some("web/a"))]
#[case("kube-system", "kubevip-a", &["kube-system/a", "web/a"], Some("kube-system/a"))]
#[case("kube-system", "kubevip-a", &["other/a", "web/a!"], Some("web/a"))]
#[case("kube-system", "kubevip-a", &["other/a!", "web/a!"], None)]
#[case("kube-system", "kubevip-a", &["other/a", "web/a"], None)]
#[case("kube-system", "kubevip-a", &[], None)]
#[case("kube-system", "cilium-l2announce-web-a", &[], Some("web/a"))]
#[case("kube-system", "cilium-l2announce-my-web-a", &["my-web/a"], Some("my-web/a"))]
#[case("kube-system", "cilium-l2announce-my-web-a", &["my/web-a", "web/a"], Some("my/web-a"))]
#[case("kube-system", "cilium-l2announce-my-web-a", &["my/web-a!", "my-web/a"], Some("my/web-a"))]
#[case("kube-system", "cilium-l2announce-my-web-a", &["my/web-a!", "my-web/a!"], None)]
#[case("kube-system", "cilium-l2announce-my-web-a", &["web/a"], None)]
#[case("kube-system", "cilium-l2announce-weba", &["we/ba"], None)]
#[case("kube-system", "cilium-l2announce--", &[], None)]
#[case("kube-system", "cilium-l2announce--web-a-", &["web/a"], None)]
fn which_service(
    #[case] namespace: &str,
    #[case] name: &str,
    #[case] services: &[&str],
    #[case] expect: Option<&str>,
) {
    let found = with_services(&mk_lease(namespace, name, "holderIdentity: x"), services);
    let expect = expect.map(|service| format!("Lease {namespace}/{name} {service} x - -"));
    assert_eq!(found, expect.into_iter().collect::<Vec<_>>());
}

/// A Service whose annotation names a lease; `more` is part of its spec.
fn mk_annotated(namespace: &str, name: &str, lease: &str, more: &str) -> String {
    format!(
        "---\n{{kind: Service, apiVersion: v1, metadata: {{namespace: {namespace}, name: {name}, \
         annotations: {{kube-vip.io/leaseName: '{lease}'}}}}, spec: {{{more}}}}}\n"
    )
}

const LOCAL: &str = "externalTrafficPolicy: Local";

/// Any name will do, several Services may share a lease, and the annotation replaces the lease of the Service's own name.
#[rstest]
#[case("web/shared", &[("web/a", "shared", "")], &["web/a"])]
#[case("web/shared", &[("web/b", "shared", ""), ("web/a", "shared", "")], &["web/a", "web/b"])]
#[case("web/shared", &[("other/a", "shared", "")], &[])]
#[case("vips/shared", &[("web/a", "vips/shared", ""), ("other/b", "vips/shared/x", "")], &["other/b", "web/a"])]
#[case("web/shared", &[("web/a", "shared", LOCAL), ("web/b", "shared", "")], &["web/b"])]
#[case("web/kubevip-a", &[("web/a", "shared", "")], &[])]
#[case("web/kubevip-a", &[("web/a", "", "")], &["web/a"])]
#[case("web/kubevip-a", &[("web/a", "kubevip-a", ""), ("web/b", "kubevip-a", "")], &["web/a", "web/b"])]
#[case("kube-system/kubevip-a", &[("web/a", "shared", ""), ("other/a", "", "")], &["other/a"])]
#[case("kube-system/plndr-cp-lock", &[("web/a", "kube-system/plndr-cp-lock", "")], &["default/kubernetes", "web/a"])]
#[case("web/shared", &[("web/a", "/", ""), ("web/b", "shared/", "")], &[])]
fn an_annotation_names_a_lease(
    #[case] lease: &str,
    #[case] services: &[(&str, &str, &str)],
    #[case] expect: &[&str],
) {
    let (namespace, name) = lease.split_once('/').unwrap();
    let service = |(key, lease, more): &(&str, &str, &str)| {
        let (namespace, name) = key.split_once('/').unwrap();
        mk_annotated(namespace, name, lease, more)
    };
    let text = mk_lease(namespace, name, "holderIdentity: node-a");
    let found = inventory(&[text, services.iter().map(service).collect()].concat());
    let line = |service: &&str| format!("Lease {lease} {service} node-a - -");
    assert_eq!(lines(&found), expect.iter().map(line).collect::<Vec<_>>());
}

#[rstest]
#[case("kube-node-lease", "node-a")]
#[case("kube-system", "kube-scheduler")]
#[case("kube-system", "kubevip-")]
#[case("kube-system", "cilium-l2announce-")]
#[case("kube-system", "cilium-operator-resource-lock")]
fn others_are_counted_only(#[case] namespace: &str, #[case] name: &str) {
    // What is wrong with them is nobody's business here.
    for spec in ["holderIdentity: node-a", "holderIdentity: 5", "leaseTransitions: -1"] {
        let found = inventory(&mk_lease(namespace, name, spec));
        assert_eq!((&found.announcers[..], found.objects["Lease"]), (&[][..], 1));
    }
}

#[rstest]
#[case("holderIdentity: 5", "is left out: spec.holderIdentity: invalid type", 0)]
#[case("acquireTime: yesterday", "is left out: spec.acquireTime: ", 0)]
#[case("leaseTransitions: -1", ": leaseTransitions -1 is no number of transitions", 1)]
fn bad_values_are_reported(#[case] spec: &str, #[case] why: &str, #[case] kept: usize) {
    let found = loaded(&[("c.yaml", &mk_lease("kube-system", "plndr-svcs-lock", spec))]);
    assert_eq!((found.inventory.announcers.len(), found.problems.len()), (kept, 1));
    let message = &found.problems[0].message;
    let rest = message.strip_prefix("Lease kube-system/plndr-svcs-lock").unwrap();
    assert!(rest.trim_start().starts_with(why), "{message}");
}

#[test]
fn a_renewal_is_no_change_and_a_service_that_appears_is_one() {
    let lease = |at: &str| mk_lease("kube-system", "kubevip-a", &SPEC.replace("12:20", at));
    let mut index = Index::default();
    index.replace(objects(&[lease("12:20"), mk_service("web", "a", "")].concat()));
    assert_eq!(index.publish().unwrap().announcers.len(), 1);
    index.apply(objects(&lease("12:21")).remove(0));
    assert_eq!(index.publish(), None);
    index.apply(objects(&mk_service("other", "a", "")).remove(0));
    assert_eq!(index.publish().unwrap().announcers.len(), 0);
}
