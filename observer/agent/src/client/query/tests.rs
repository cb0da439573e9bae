use super::*;

#[test]
fn values_are_encoded() {
    let parameters = [("since", "1h 5m".to_owned()), ("namespace", "a&b=\u{e9}+".to_owned())];
    assert_eq!(query(&parameters), "since=1h%205m&namespace=a%26b%3D%C3%A9%2B");
}

#[test]
fn parameters_without_a_value_are_left_out() {
    assert_eq!(path("/p", [("a", None), ("b", Some("1".to_owned()))]), "/p?b=1");
}
