use std::sync::Arc;

use flow_model::policies::{Origin, Selector};

use super::*;
use crate::audit::Proposed;

fn source(file: &str, ingress: bool) -> Change {
    let policy = NetworkPolicy {
        namespace: "db".into(),
        name: "p".into(),
        selector: Selector::default(),
        ingress: ingress.then(Vec::new),
        egress: None,
        origin: Origin::default(),
    };
    let place = Place::File { file: file.into(), line: 1 };
    Change { policies: vec![Proposed { object: Arc::new(policy), place }], ..Change::default() }
}

#[test]
fn of_a_policy_in_two_sources_the_later_counts() {
    let mut change = source("a", true);
    change.extend(source("b", true));
    assert_eq!((change.policies.len(), change.unjudged.len()), (1, 0));
    change.extend(source("c", false));
    assert_eq!((change.policies.len(), change.policies[0].object.ingress.is_some()), (1, false));
    assert_eq!(
        change.unjudged[0].why,
        "NetworkPolicy db/p: b:1 has it with other content, and only this one is judged"
    );
}

#[test]
fn a_broken_policy_takes_the_place_of_a_whole_one() {
    let mut change = source("a", true);
    let why = "mistyped".into();
    let broken = BrokenPolicy {
        kind: "NetworkPolicy".into(),
        namespace: "db".into(),
        name: "p".into(),
        why,
        ..document()
    };
    let place = Place::Stdin { line: 1 };
    let broken = vec![Proposed { object: Arc::new(broken), place }];
    change.extend(Change { broken, ..Change::default() });
    assert_eq!((change.policies.len(), change.broken.len(), change.unjudged.len()), (0, 1, 1));
}

fn document() -> BrokenPolicy {
    BrokenPolicy::in_document(ArcStr::new(), "")
}
