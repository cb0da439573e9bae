//! Requests, damage and arbitrary bytes.

use proptest::prelude::*;

use super::*;

#[test]
fn a_request_reads_back() {
    let request = dump_request(18, 7, &[1, 2, 3, 4]);
    let read: Vec<_> = messages(&request).collect();
    assert_eq!(read, [Message { kind: 18, flags: DUMP_REQUEST, seq: 7, body: &[1, 2, 3, 4] }]);
}

#[test]
fn attributes_stop_at_the_damage() {
    let mut bytes = vec![5, 0, 3, 0x80, b'a', 0, 0, 0, 8, 0, 4, 0, 1, 0, 0, 0];
    assert_eq!(attributes(&bytes).collect::<Vec<_>>(), [(3, &b"a"[..]), (4, &[1, 0, 0, 0][..])]);
    bytes[8] = 200;
    assert_eq!(attributes(&bytes).collect::<Vec<_>>(), [(3, &b"a"[..])]);
}

#[test]
fn zero_lengths_end_the_walk() {
    assert_eq!(attributes(&[0; 64]).count(), 0);
    assert_eq!(messages(&[0; 64]).count(), 0);
}

proptest! {
    #[test]
    fn any_bytes_are_walked_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(messages(&bytes).count() <= bytes.len());
        prop_assert!(attributes(&bytes).count() <= bytes.len());
        text(&bytes);
    }
}
