use super::*;

const FAULT: Option<KnownFault> = Some(KnownFault { name: "V1", shows: "wrong" });

#[test]
fn a_known_fault_must_show() {
    assert_eq!(expected(FAULT, Err("judged wrong".to_owned())), Ok(Some("judged wrong".to_owned())));
    assert!(expected(FAULT, Ok(())).unwrap_err().contains("V1"));
    assert!(expected(FAULT, Err("no cluster".to_owned())).unwrap_err().contains("no cluster"));
    assert_eq!(expected(None, Ok(())), Ok(None));
    assert_eq!(expected(None, Err("wrong".to_owned())), Err("wrong".to_owned()));
}
