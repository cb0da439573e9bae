use super::*;

#[test]
fn a_known_fault_must_show() {
    assert_eq!(expected(Some("V1"), Err("wrong".to_owned())), Ok(()));
    assert!(expected(Some("V1"), Ok(())).unwrap_err().contains("V1"));
    assert_eq!(expected(None, Ok(())), Ok(()));
    assert_eq!(expected(None, Err("wrong".to_owned())), Err("wrong".to_owned()));
}
