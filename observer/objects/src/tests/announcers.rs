//! Announcers that API objects name.

mod events;
mod leases;
mod mutations;

use std::collections::HashSet;

use flow_model::inventory::Announcer;
use rstest::rstest;

use super::*;
use crate::Index;
use crate::kinds::Kind;
use crate::object::Object;

/// A Service in one line; `ingress` as in YAML.
fn mk_service(namespace: &str, name: &str, ingress: &str) -> String {
    format!(
        "---\n{{kind: Service, apiVersion: v1, metadata: {{namespace: {namespace}, name: {name}}}, \
         status: {{loadBalancer: {{ingress: [{ingress}]}}}}}}\n"
    )
}

fn mk_node(name: &str, ip: &str) -> String {
    format!(
        "---\n{{kind: Node, apiVersion: v1, metadata: {{name: {name}}}, \
         status: {{addresses: [{{type: InternalIP, address: {ip}}}, {{type: Hostname, address: {name}}}]}}}}\n"
    )
}

/// A `ServiceL2Status` of `metallb-system`; labels and status as in YAML.
fn mk_l2(name: &str, labels: &str, status: &str) -> String {
    format!(
        "---
{{kind: ServiceL2Status, apiVersion: metallb.io/v1beta1, spec: {{}}, {status}
 metadata: {{namespace: metallb-system, name: {name}, creationTimestamp: 2026-05-16T12:14:00Z, labels: {{{labels}}}}}}}
"
    )
}

const LABELS: &str =
    "metallb.io/node: k8s-node4, metallb.io/service-name: postgresql-lb, metallb.io/service-namespace: dbaas";
const STATUS: &str = "status: {node: k8s-node3, serviceName: postgresql-lb, serviceNamespace: dbaas, interfaces: [{name: eth0}]},";

/// `kind namespace/name service nodes since transitions`, with `-` for what isn't there.
fn line(a: &Announcer) -> String {
    let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let nodes = if a.nodes.is_empty() { "-".to_owned() } else { a.nodes.join("+") };
    let service = or(a.service.as_ref().map(ToString::to_string));
    let since = or(a.since.map(|since| since.to_string()));
    let transitions = or(a.transitions.map(|count| count.to_string()));
    format!("{} {}/{} {service} {nodes} {since} {transitions}", a.kind, a.namespace, a.name)
}

fn lines(inventory: &Inventory) -> Vec<String> {
    inventory.announcers.iter().map(|announcer| line(announcer)).collect()
}

#[rstest]
// The status has precedence over the labels.
#[case(LABELS, STATUS, "dbaas/postgresql-lb k8s-node3")]
#[case("", STATUS, "dbaas/postgresql-lb k8s-node3")]
#[case(LABELS, "status: {},", "dbaas/postgresql-lb k8s-node4")]
#[case(LABELS, "status: null,", "dbaas/postgresql-lb k8s-node4")]
#[case(LABELS, "", "dbaas/postgresql-lb k8s-node4")]
#[case(LABELS, "status: {node: '', serviceName: null},", "dbaas/postgresql-lb k8s-node4")]
#[case("metallb.io/service-name: a", "status: {serviceNamespace: b},", "b/a -")]
#[case("metallb.io/service-name: a", "", "- -")]
#[case("", "", "- -")]
fn an_l2_status(#[case] labels: &str, #[case] status: &str, #[case] expect: &str) {
    let inventory = inventory(&mk_l2("l2-rgt9d", labels, status));
    let expect = format!("ServiceL2Status metallb-system/l2-rgt9d {expect} 2026-05-16T12:14:00Z -");
    assert_eq!(lines(&inventory), [expect]);
    assert_eq!(inventory.announcers[0].source.as_str(), "l2status");
}

#[rstest]
#[case("status: [a, b, c],", "status: must be an object")]
#[case("status: {node: 5},", "status.node: invalid type")]
#[case("status: {node: {}},", "status.node: invalid type")]
fn a_bad_l2_status_costs_no_other(#[case] status: &str, #[case] why: &str) {
    let text = [mk_l2("l2-bad", LABELS, status), mk_l2("l2-good", LABELS, "")].concat();
    let loaded = loaded(&[("c.yaml", &text)]);
    assert_eq!(loaded.inventory.announcers.len(), 1);
    let message = &loaded.problems[0].message;
    let start = format!("ServiceL2Status metallb-system/l2-bad is left out: {why}");
    assert!(message.starts_with(&start), "{message}");
}

#[test]
fn another_version_is_a_problem_and_another_group_another_kind() {
    let text = mk_l2("a", LABELS, STATUS);
    let next = loaded(&[("c.yaml", &text.replace("v1beta1", "v2"))]);
    assert_eq!(next.inventory.announcers, []);
    assert!(next.problems[0].message.ends_with("`metallb.io/v2` is not known; metallb.io/v1beta1 is"));
    let other = inventory(&text.replace("metallb.io/v1beta1", "example.org/v1"));
    assert_eq!((&other.announcers[..], other.objects["ServiceL2Status.example.org"]), (&[][..], 1));
}

#[test]
fn several_for_one_service_are_all_kept_in_order() {
    let status = STATUS.replace("k8s-node3", "k8s-node4");
    let text = [mk_l2("l2-zj9ss", LABELS, &status), mk_l2("l2-rgt9d", LABELS, STATUS)].concat();
    let names: Vec<_> = inventory(&text).announcers.iter().map(|a| a.name.clone()).collect();
    assert_eq!(names, ["l2-rgt9d", "l2-zj9ss"]);
}

#[test]
fn ingress_at_node_addresses_is_the_balancer_of_k3s() {
    let text = [
        mk_node("a", "10.0.0.1"),
        mk_node("b", "10.0.0.2"),
        mk_node("c", "'fd00::3'"),
        mk_service("web", "all", "{ip: 10.0.0.2}, {ip: 10.0.0.1}, {ip: 'fd00::3'}, {hostname: x}"),
        mk_service("web", "vip", "{ip: 10.0.20.200}"),
        mk_service("web", "none", ""),
        "---\n{kind: Service, apiVersion: v1, metadata: {name: external}, spec: {externalIPs: [10.0.0.1]}}\n"
            .to_owned(),
    ];
    let found = inventory(&text.concat());
    assert_eq!(lines(&found), ["Service web/all web/all a+b+c - -"]);
    assert_eq!(found.announcers[0].source.as_str(), "ingress");
}

fn objects(yaml: &str) -> Vec<Object> {
    let mut notes = Vec::new();
    let documents = crate::document::parse(yaml.as_bytes()).into_iter().map(Result::unwrap);
    let objects = documents.filter_map(|d| Object::from_value(d.value, &mut notes)).collect();
    assert_eq!(notes, [""; 0]);
    objects
}

#[test]
fn a_move_is_a_new_object_and_the_rest_stays_the_same() {
    let lease = "---\n{kind: Lease, apiVersion: coordination.k8s.io/v1, metadata: {name: kubevip-a, namespace: 'n'}, spec: {holderIdentity: x}}\n";
    let first = [mk_l2("l2-a", LABELS, STATUS).as_str(), lease].concat();
    let mut index = Index::default();
    index.replace(objects(&first));
    let old = index.publish().unwrap();
    index.replace(objects(&first));
    assert_eq!(index.publish(), None);

    index.apply(objects(&mk_l2("l2-b", LABELS, &STATUS.replace("node3", "node4"))).remove(0));
    let both = index.publish().unwrap();
    assert_eq!(both.announcers.len(), 3);
    assert!(old.announcers.iter().zip(&both.announcers).all(|(old, new)| Arc::ptr_eq(old, new)));

    let key = objects(&first).remove(0).id.object;
    index.delete(Kind::ServiceL2Status, &key);
    let moved = index.publish().unwrap();
    assert!(Arc::ptr_eq(&moved.announcers[0], &both.announcers[0]));
    assert!(Arc::ptr_eq(&moved.announcers[1], &both.announcers[2]));

    // MetalLB is uninstalled with its CRD.
    index.retain(Kind::ServiceL2Status, &HashSet::new());
    assert_eq!(lines(&index.publish().unwrap()), ["Lease n/kubevip-a n/a x - -"]);
}
