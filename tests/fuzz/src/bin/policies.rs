//! Reads any bytes as manifests. Every policy is in the result, read or broken, every problem has its place, and the
//! evaluators can judge by the result.
#![no_main]

use std::collections::BTreeSet;

use flow_objects::encoding;
use flow_objects::manifests::{self, Manifests};
use flow_policy::query::Explainer;
use fuzz::agree_everywhere;
use libfuzzer_sys::fuzz_target;

const FILE: &str = "fuzz.yaml";
const KINDS: [&str; 4] =
    ["NetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"];

fuzz_target!(|bytes: &[u8]| {
    let manifests = manifests::parse(FILE, bytes);
    no_policy_is_lost(&manifests);
    places_exist(&manifests, bytes);
    agree_everywhere(&manifests.inventory);
    drop(Explainer::new(manifests.inventory));
});

/// Checks that no policy is missing: a missing one would allow.
fn no_policy_is_lost(manifests: &Manifests) {
    let places: BTreeSet<_> =
        manifests.places.keys().map(|id| (&*id.kind, &*id.object.namespace, &*id.object.name)).collect();
    let policies = &manifests.inventory.policies;
    let namespaced = policies.namespaced.iter().map(|p| ("NetworkPolicy", &*p.namespace, &*p.name));
    let tiered = policies.tiered.iter().map(|p| (p.kind.as_str(), "", &*p.name));
    let broken = policies.broken.iter().map(|p| (&*p.kind, &*p.namespace, &*p.name));
    // Other projects' kinds and kinds with a wrong group are broken too. A manifest only says of some that they are
    // policies, so that only the way back can be checked.
    let (broken, others): (Vec<_>, Vec<_>) = broken.partition(|(kind, ..)| KINDS.contains(kind));
    assert!(others.iter().all(|other| places.contains(other)), "nobody wrote one of {others:?}: {places:?}");
    let written: BTreeSet<_> = places.into_iter().filter(|(kind, ..)| KINDS.contains(kind)).collect();
    let read: Vec<_> = namespaced.chain(tiered).chain(broken).collect();
    assert_eq!(read.len(), written.len(), "one of each: {read:?} of {written:?}");
    assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), written);
    for broken in &policies.broken {
        let named = manifests.problems.iter().any(|problem| problem.message.contains(&*broken.why));
        assert!(named, "no problem reports {broken:?}");
    }
}

fn places_exist(manifests: &Manifests, bytes: &[u8]) {
    // A carriage return alone ends a line too.
    let last = encoding::utf8(bytes).split(|byte| *byte == b'\n').count();
    let problems = manifests.problems.iter().map(|problem| problem.line);
    for line in problems.chain(manifests.places.values().map(|place| place.line)) {
        assert!((1..=last).contains(&line), "line {line} of {last}: {:?}", manifests.problems);
    }
}
