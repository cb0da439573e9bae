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
