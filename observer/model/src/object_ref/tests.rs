use super::*;

#[test]
fn objects_as_text_and_back() {
    for (text, namespace, name) in [("data/db", "data", "db"), ("admins-first", "", "admins-first")] {
        let object = ObjectRef::from(text);
        assert_eq!((&*object.namespace, &*object.name), (namespace, name));
        assert_eq!(object.to_string(), text);
        assert_eq!(serde_json::to_value(&object).unwrap(), text);
        assert_eq!(serde_json::from_value::<ObjectRef>(text.into()).unwrap(), object);
    }
}

#[test]
fn objects_are_ordered_as_their_texts_are() {
    let sorted = ["a", "a-b/x", "a.b", "a/x", "a/x-1", "b", "b/a"];
    let mut objects: Vec<_> = sorted.iter().rev().map(|text| ObjectRef::from(*text)).collect();
    objects.sort();
    assert_eq!(objects, sorted);
    let (one, other) = (ObjectRef::cluster_scoped("a/b"), ObjectRef::new("a", "b"));
    assert_eq!((one == other, one.cmp(&other)), (false, Ordering::Less), "two objects are never equal");
}
