use tempfile::TempDir;

use super::*;

#[test]
fn a_list_is_read_as_opentelemetry_writes_it() {
    let pairs: Pairs =
        "authorization=Bearer%20a%3Db, VL-Stream-Fields=service.name%2Ck8s.node.name,".parse().unwrap();
    let expected = [("authorization", "Bearer a=b"), ("VL-Stream-Fields", "service.name,k8s.node.name")];
    assert_eq!(pairs.0, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(!format!("{pairs:?}").contains("Bearer"), "values may be secret");
    for bad in ["name", "=value", "name=%ff"] {
        bad.parse::<Pairs>().unwrap_err();
    }
}

#[test]
fn a_file_is_read_each_time_and_wins() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("headers");
    let headers = Headers { fixed: "authorization=old,x=1".parse().unwrap(), file: Some(path.clone()) };
    assert!(headers.now().unwrap_err().to_string().contains("can't be read"));
    for token in ["first", "second"] {
        std::fs::write(&path, format!("# of the log engine\n\nAuthorization: Bearer {token}\n")).unwrap();
        let now = headers.now().unwrap();
        assert_eq!(now["authorization"], format!("Bearer {token}"));
        assert_eq!(now["x"], "1");
    }
    std::fs::write(&path, "\nsecret\n").unwrap();
    let error = headers.now().unwrap_err().to_string();
    assert!(error.ends_with("line 2: expected NAME: VALUE"), "{error}");
}

#[test]
fn what_is_no_header_is_refused_without_its_value() {
    let headers = Headers { fixed: "a=x%0Asecret".parse().unwrap(), file: None };
    let error = headers.now().unwrap_err().to_string();
    assert!(error.contains("`a`") && !error.contains("secret"), "{error}");
}
