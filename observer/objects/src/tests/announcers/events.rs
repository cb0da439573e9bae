//! `nodeAssigned` events in both their forms.

use super::*;

/// An event about dbaas/postgresql-lb with first and last time (minutes of an hour).
fn mk_event(name: &str, message: &str, first: u8, last: u8) -> String {
    format!(
        "---
kind: Event
apiVersion: v1
metadata: {{namespace: dbaas, name: {name}, creationTimestamp: '2026-05-16T12:{first:02}:30Z'}}
involvedObject: {{kind: Service, namespace: dbaas, name: postgresql-lb}}
reason: nodeAssigned
message: '{message}'
firstTimestamp: '2026-05-16T12:{first:02}:00Z'
lastTimestamp: '2026-05-16T12:{last:02}:00Z'
count: 7
source: {{component: metallb-speaker, host: k8s-node3}}
"
    )
}

fn from(node: &str) -> String {
    format!(r#"announcing from node "{node}" with protocol "layer2""#)
}

fn expect(name: &str, node: &str, since: u8) -> [String; 1] {
    [format!("Event dbaas/{name} dbaas/postgresql-lb {node} 2026-05-16T12:{since:02}:00Z -")]
}

#[rstest]
#[case(r#"announcing from node "k8s-node3" with protocol "layer2""#, Some("k8s-node3"))]
#[case(r#"announcing from node "k8s-node3""#, Some("k8s-node3"))]
#[case(r#"announcing from node "k8s-node3" with protocol "bgp""#, None)]
fn an_announcement(#[case] message: &str, #[case] node: Option<&str>) {
    let found = inventory(&mk_event("e", message, 10, 20));
    let expect = node.map(|node| expect("e", node, 10)[0].clone());
    assert_eq!(lines(&found), expect.into_iter().collect::<Vec<_>>());
    assert!(found.announcers.iter().all(|announcer| announcer.source.as_str() == "event"));
    assert_eq!(found.objects["Event"], 1);
}

#[test]
fn the_new_form_gives_the_same() {
    let text = r#"
kind: Event
apiVersion: events.k8s.io/v1
metadata: {namespace: dbaas, name: e}
regarding: {kind: Service, namespace: dbaas, name: postgresql-lb}
reason: nodeAssigned
note: announcing from node "k8s-node3" with protocol "layer2"
eventTime: '2026-05-16T12:10:00.000000Z'
series: {count: 2, lastObservedTime: '2026-05-16T12:40:00.000000Z'}
"#;
    let found = inventory(&[text, &mk_event("f", &from("k8s-node4"), 12, 30)].concat());
    // It is the newer one by its last time, although its first time is before the other's.
    assert_eq!(lines(&found), expect("e", "k8s-node3", 40));
    assert_eq!(found.objects["Event"], 2);
}

#[test]
fn the_newest_event_of_a_service_counts() {
    let (three, four) = (from("k8s-node3"), from("k8s-node4"));
    let found = |events: [(&str, &str, u8, u8); 2]| {
        lines(&inventory(&events.map(|(n, m, f, l)| mk_event(n, m, f, l)).concat()))
    };
    assert_eq!(found([("a", &three, 10, 20), ("b", &four, 25, 25)]), expect("b", "k8s-node4", 25));
    assert_eq!(found([("b", &four, 25, 25), ("a", &three, 10, 20)]), expect("b", "k8s-node4", 25));
    // The node announces again: the first time of its event is before the other node's event.
    assert_eq!(found([("a", &three, 10, 30), ("b", &four, 25, 25)]), expect("a", "k8s-node3", 30));
    // The same node twice is no change.
    assert_eq!(found([("a", &three, 10, 20), ("b", &three, 25, 30)]), expect("b", "k8s-node3", 10));
}

#[test]
fn services_are_kept_apart_and_a_repetition_is_no_change() {
    let mut index = Index::default();
    let other = mk_event("o", &from("x"), 1, 1).replace("postgresql-lb", "web");
    index.replace(objects(&[mk_event("a", &from("y"), 10, 20), other].concat()));
    assert_eq!(index.publish().unwrap().announcers.len(), 2);
    index.apply(objects(&mk_event("a", &from("y"), 10, 21)).remove(0));
    assert_eq!(index.publish(), None);
}

#[rstest]
#[case("reason: nodeAssigned", "reason: Pulled")]
#[case("kind: Service", "kind: Pod")]
fn others_are_counted_only(#[case] was: &str, #[case] is: &str) {
    let found = inventory(&mk_event("e", "whatever", 1, 2).replace("nodeAssigned", "Pulled"));
    assert_eq!((&found.announcers[..], found.objects["Event"]), (&[][..], 1));
    let found = inventory(&mk_event("e", &from("x"), 1, 2).replace(was, is));
    assert_eq!((&found.announcers[..], found.objects["Event"]), (&[][..], 1));
}

#[rstest]
#[case("")]
#[case("announcing")]
#[case("announcing from node k8s-node3")]
#[case(r#"announcing from node """#)]
#[case(r#"announcing from node "k8s-node3"#)]
#[case(r#"announcing from node "k8s-node3" over layer2"#)]
fn a_message_that_names_no_node_is_reported(#[case] message: &str) {
    let found = loaded(&[("c.yaml", &mk_event("e", message, 1, 2))]);
    assert_eq!(found.inventory.announcers, []);
    let expect = format!("Event dbaas/e: message `{message}` names no announcing node");
    assert_eq!(found.problems[0].message, expect);
}

#[rstest]
#[case("name: postgresql-lb", "name: ''", "the Service it is about has no name")]
#[case("message: '", "message: 5 #", "message: invalid type")]
#[case("'2026-05-16T12:01:00Z'", "soon", "firstTimestamp: ")]
fn a_bad_event_affects_no_other(#[case] was: &str, #[case] is: &str, #[case] why: &str) {
    let text =
        [mk_event("bad", &from("x"), 1, 2).replace(was, is), mk_event("good", &from("y"), 3, 4)].concat();
    let found = loaded(&[("c.yaml", &text)]);
    assert_eq!(lines(&found.inventory), expect("good", "y", 3));
    let message = &found.problems[0].message;
    assert!(message.starts_with(&format!("Event dbaas/bad is left out: {why}")), "{message}");
}
