//! Announcing objects after random changes: nothing panics, and other objects are not affected.

use proptest::prelude::*;
use proptest::sample::Index as Pick;
use serde_json::{Value, json};

use crate::manifests;
use crate::tests::mutations::{Mutation, mutate, mutation};

fn valid() -> [Value; 5] {
    let about = json!({"kind": "Service", "namespace": "n", "name": "a-b"});
    let text = r#"announcing from node "x" with protocol "layer2""#;
    [
        json!({"apiVersion": "metallb.io/v1beta1", "kind": "ServiceL2Status",
            "metadata": {"name": "l2-x", "namespace": "m", "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"metallb.io/node": "x", "metallb.io/service-name": "a-b", "metallb.io/service-namespace": "n"}},
            "status": {"node": "x", "serviceName": "a-b", "serviceNamespace": "n"}}),
        json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "cilium-l2announce-n-a-b", "namespace": "kube-system"},
            "spec": {"holderIdentity": "x", "leaseTransitions": 1, "acquireTime": "2026-01-01T00:00:00.000000Z"}}),
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "n"}, "reason": "nodeAssigned",
            "involvedObject": about, "message": text, "lastTimestamp": "2026-01-01T00:00:00Z"}),
        json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e", "namespace": "n"},
            "reason": "nodeAssigned", "regarding": about, "note": text, "eventTime": "2026-01-01T00:00:00.000000Z",
            "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}}),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "s", "namespace": "n", "annotations": {"metallb.io/loadBalancerIPs": "10.0.0.1,10.0.0.2"}},
            "spec": {"loadBalancerIP": "10.0.0.1"}, "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.9"}]}}}),
    ]
}

/// Objects beside the changed one. They give it a meaning, and they must stay.
const OTHERS: &str = "
---
{kind: Service, apiVersion: v1, metadata: {name: a-b, namespace: 'n'}, status: {loadBalancer: {ingress: [{ip: 10.0.0.8}]}}}
---
{kind: Node, apiVersion: v1, metadata: {name: x}, status: {addresses: [{type: InternalIP, address: 10.0.0.9}]}}
---
{kind: Lease, apiVersion: coordination.k8s.io/v1, metadata: {name: kubevip-good, namespace: other}, spec: {holderIdentity: x}}
";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn it_is_an_announcer_or_a_problem_or_says_nothing(
        which in 0..5usize,
        steps in prop::collection::vec((any::<Pick>(), mutation()), 0..4),
    ) {
        let mut value = valid()[which].clone();
        steps.iter().for_each(|(pick, step): &(Pick, Mutation)| mutate(&mut value, pick, step.clone()));
        let text = serde_json::to_string(&value).unwrap() + OTHERS;
        let found = manifests::parse("x.yaml", text.as_bytes());
        let announcers = &found.inventory.announcers;
        prop_assert!(announcers.iter().any(|announcer| announcer.name == "kubevip-good"), "{announcers:?}");
        prop_assert!(announcers.is_sorted_by_key(|a| (&a.kind, &a.namespace, &a.name)), "{announcers:?}");
        prop_assert!(announcers.len() <= 2, "{announcers:?}");
        if steps.is_empty() {
            prop_assert_eq!((announcers.len(), &found.problems[..]), (2, &[][..]), "{}", text);
        }
    }
}
