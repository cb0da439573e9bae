use super::*;

fn namespace(name: &str, label: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"x": label}}})
}

fn names(objects: &[Value]) -> Vec<(&str, &str)> {
    let part =
        |object: &'_ Value, pointer: &str| object.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    objects
        .iter()
        .map(|o| (part(o, "/metadata/name").leak() as &str, part(o, "/metadata/labels/x").leak() as &str))
        .collect()
}

#[test]
fn every_version_can_be_had_until_it_is_forgotten() {
    let mut store = Store::new(super::super::kinds::built_in());
    let kind = store.kind("", "v1", "namespaces").unwrap().clone();
    store.put(namespace("b", "1")).unwrap();
    let first = store.version();
    store.put(namespace("a", "1")).unwrap();
    store.put(namespace("b", "2")).unwrap();
    let full = store.version();
    store.remove("Namespace", "", "b").unwrap();
    assert_eq!(names(&store.at(&kind, first)), [("b", "1")]);
    assert_eq!(names(&store.at(&kind, full)), [("a", "1"), ("b", "2")]);
    assert_eq!(names(&store.at(&kind, store.version())), [("a", "1")]);
    assert_eq!(store.since(&kind, first).len(), 3);
    assert!(store.knows(first));
    store.compact();
    assert!(!store.knows(full) && store.knows(store.version()));
    assert_eq!(store.put(json!({"apiVersion": "x/v1", "kind": "Y", "metadata": {"name": "z"}})), None);
}

#[test]
fn objects_of_a_kind_go_with_it() {
    let mut store = Store::new(Vec::new());
    let kind = Kind::new("x.io/v1", "things", "Thing", true);
    store.install(kind.clone());
    let thing =
        json!({"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"namespace": "a", "name": "b"}});
    store.put(thing).unwrap();
    let before = store.version();
    store.uninstall("x.io", "things");
    assert!(store.since(&kind, before).iter().all(|change| change.after.is_none()));
    assert_eq!((store.since(&kind, before).len(), store.kinds().len()), (1, 0));
}
