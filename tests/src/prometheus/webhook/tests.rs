use super::*;

#[test]
fn the_body_is_as_long_as_its_header_says() {
    let mut request: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 3\r\nX: y\r\n\r\nabcd";
    assert_eq!(body(&mut request).unwrap(), b"abc");
}

#[test]
fn alerts_of_a_notification() {
    assert_eq!(alerts(br#"{"alerts": [{"status": "firing"}]}"#).len(), 1);
    assert!(alerts(b"no JSON").is_empty() && alerts(b"{}").is_empty() && alerts(b"[]").is_empty());
}
