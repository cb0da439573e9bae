use super::*;

#[test]
fn chunks_are_joined() {
    let raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(parse(raw).unwrap(), Response { status: 200, body: "abcde".into() });
}

#[test]
fn a_cut_body_is_an_error() {
    let raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc";
    assert!(parse(raw).is_err());
}
