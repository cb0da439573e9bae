use super::*;

#[test]
fn names_that_fit_into_namespaces() {
    for good in ["lab", "a", "two-nodes", "123456789012"] {
        assert_eq!(name(good).as_deref(), Ok(good));
    }
    for bad in ["", "Lab", "a_b", "a/b", "1234567890123"] {
        assert!(name(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_api_server_is_on_the_first_node() {
    assert_eq!(address("n1"), API);
}
