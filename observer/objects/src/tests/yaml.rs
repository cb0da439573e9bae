//! YAML as Kubernetes' tools read it: merge keys, the scalars of YAML 1.1, and keys that come twice.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::document::{self, Document};

fn document(text: &str) -> Document {
    let mut documents = document::parse(text.as_bytes());
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0).unwrap()
}

fn value(text: &str) -> Value {
    let document = document(text);
    assert_eq!(document.repeated, [], "{text}");
    document.value
}

fn broken(text: &str) -> String {
    let mut documents = document::parse(text.as_bytes());
    documents.remove(0).unwrap_err().message
}

#[rstest]
#[case("y", json!(true))]
#[case("Off", json!(false))]
#[case("yES", json!("yES"))]
#[case("~", json!(null))]
#[case("Null", json!(null))]
#[case("007", json!(7))]
#[case("0443", json!(291))]
#[case("08", json!(8))]
#[case("0x1F", json!(31))]
#[case("0b101", json!(5))]
#[case("0o17", json!(15))]
#[case("1_000", json!(1000))]
#[case("_1", json!("_1"))]
#[case("1234e5", json!(123_400_000))]
#[case("80.0", json!(80))]
#[case("1.5", json!(1.5))]
#[case(".5", json!(0.5))]
#[case("+1", json!(1))]
#[case("-0x10", json!(-16))]
#[case("+-1", json!("+-1"))]
#[case("18446744073709551615", json!(u64::MAX))]
#[case("1e400", json!("1e400"))]
#[case("12:30:45", json!("12:30:45"))]
#[case("2026-01-02", json!("2026-01-02"))]
#[case("1.2.3", json!("1.2.3"))]
#[case("10.0.0.0/8", json!("10.0.0.0/8"))]
#[case("'y'", json!("y"))]
#[case("\"007\"", json!("007"))]
#[case("!!str 007", json!("007"))]
#[case("!!int '7'", json!(7))]
#[case("!custom 7", json!("7"))]
fn scalars(#[case] text: &str, #[case] expect: Value) {
    assert_eq!(value(&format!("a: {text}"))["a"], expect);
    assert_eq!(value(&format!("[{text}]"))[0], expect);
}

#[rstest]
#[case("a: .inf", "no number that JSON has")]
#[case("a: !!int x", "not what its tag")]
#[case("? [a]\n: 1", "a key is a list or an object")]
#[case("a: &x [*x]", "holds itself")]
#[case("a: {<<: 5}", "`<<` needs an object")]
#[case("a: *gone", "unknown anchor")]
fn what_kubectl_refuses_is_refused(#[case] text: &str, #[case] part: &str) {
    let message = broken(text);
    assert!(message.contains(part), "{message}");
}

#[test]
fn keys_that_are_no_text_become_text() {
    assert_eq!(value("{on: 1, 7: 2, 1.5: 3}"), json!({"true": 1, "7": 2, "1.5": 3}));
}

#[rstest]
#[case::one("{a: &a {x: 1, y1: 1}, b: {<<: *a, x: 2}}", json!({"x": 2, "y1": 1}))]
#[case::several("{b: {<<: [{x: 1}, {x: 2, z: 3}]}}", json!({"x": 1, "z": 3}))]
#[case::nested("{c: &c {<<: {x: 1}, z: 2}, b: {<<: *c}}", json!({"x": 1, "z": 2}))]
#[case::twice("b:\n  <<: {x: 1}\n  <<: {z: 2}\n", json!({"x": 1, "z": 2}))]
#[case::quoted("{b: {'<<': 1}}", json!({"<<": 1}))]
fn merge_keys(#[case] text: &str, #[case] expect: Value) {
    assert_eq!(value(text)["b"], expect);
}

#[test]
fn a_merge_that_replaces_an_earlier_key_is_named() {
    let document = document("b:\n  x: 1\n  <<: {x: 2}\n");
    assert_eq!(document.value, json!({"b": {"x": 2}}));
    assert!(
        document.repeated[0].to_string().contains("on line 2, and again by `<<` on line 3"),
        "{document:?}"
    );
}

#[rstest]
#[case::block("a:\n- b:\n    c: 1\n    c: 2\n")]
#[case::flow("{a:\n [{b:\n {c: 1,\n c: 2}}]}\n")]
#[case::json("{\"a\":\n [{\"b\": \n{\"c\": 1,\n \"c\": 2}}]}\n")]
fn a_key_that_comes_twice_is_named_with_both_lines(#[case] text: &str) {
    let document = document(text);
    assert_eq!(document.value, json!({"a": [{"b": {"c": 2}}]}));
    let [repeated] = &document.repeated[..] else { panic!("{document:?}") };
    assert_eq!(repeated.within(0), "a.0.b.c: is set twice, on lines 3 and 4, and only the last counts");
}

fn problems(text: &str) -> (Vec<String>, Arc<Inventory>) {
    let loaded = loaded(&[("x.yaml", text)]);
    (loaded.problems.iter().map(|p| format!("{}: {}", p.line, p.message)).collect(), loaded.inventory)
}

#[test]
fn a_policy_with_a_key_twice_is_broken() {
    let (problems, inventory) = problems(
        "kind: List
apiVersion: v1
items:
- {kind: Pod, apiVersion: v1, metadata: {name: a}}
- kind: NetworkPolicy
  apiVersion: networking.k8s.io/v1
  metadata: {name: p, namespace: data}
  spec:
    podSelector: {matchLabels: {app: a}}
    podSelector: {}
",
    );
    let why = "spec.podSelector: is set twice, on lines 9 and 10, and only the last counts";
    assert_eq!(
        problems,
        [format!("5: items[1]: NetworkPolicy data/p: {why}").replace("items[1]: ", "items[1]: ")]
    );
    let [broken] = &inventory.policies.broken[..] else { panic!("{:?}", inventory.policies) };
    assert_eq!((&*broken.why, broken.selector.is_none(), broken.ingress && broken.egress), (why, true, true));
    assert_eq!(names(&inventory), ["a"]);
}

#[rstest]
#[case::document("")]
#[case::item("- ")]
fn two_objects_without_a_mark_between_them_make_everything_uncertain(#[case] dash: &str) {
    let pod =
        "kind: Pod\napiVersion: v1\nmetadata: {name: a}\nkind: Pod\napiVersion: v1\nmetadata: {name: b}\n";
    let text = format!("{dash}{}", pod.replace('\n', &format!("\n{}", " ".repeat(dash.len()))));
    let (problems, inventory) = problems(&text);
    assert!(
        problems[0].contains("holds two objects") && problems[0].contains("on lines 1 and 4"),
        "{problems:?}"
    );
    assert_eq!(names(&inventory), ["b"]);
    assert_eq!(inventory.policies.broken[0].kind, "document");
}

#[test]
fn a_list_with_two_lists_of_items_makes_everything_uncertain() {
    let (problems, inventory) = problems(
        "kind: List\napiVersion: v1\nitems: []\nitems:\n- {kind: Pod, apiVersion: v1, metadata: {name: a}}\n",
    );
    assert_eq!(problems, ["1: items: is set twice, on lines 3 and 4, and only the last counts"]);
    assert_eq!((names(&inventory), inventory.policies.broken.len()), (vec!["a"], 1));
}
