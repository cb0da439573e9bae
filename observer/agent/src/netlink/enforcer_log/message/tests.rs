//! Hand-made lines and damage.

use proptest::prelude::*;

use super::*;

fn body(prefix: &[u8], packet: &[u8], number: u32) -> Vec<u8> {
    let mut body = vec![2, 0, 0, 100];
    put(&mut body, 1, &[0x08, 0, 2, 0]);
    put(&mut body, NFULA_PREFIX, prefix);
    put(&mut body, NFULA_PAYLOAD, packet);
    put(&mut body, NFULA_SEQ, &number.to_be_bytes());
    body
}

#[test]
fn a_line_is_read() {
    let bytes = body(b"DROP by policy a/b\0", &[0x45, 1, 2], 7);
    let expected = Line { prefix: b"DROP by policy a/b", packet: &[0x45, 1, 2], number: Some(7) };
    assert_eq!(line(PACKET, &bytes), Some(expected));
    assert_eq!(line(CONFIG, &bytes), None);
}

#[test]
fn a_line_without_a_prefix_is_one() {
    let mut bytes = vec![2, 0, 0, 100];
    put(&mut bytes, NFULA_PAYLOAD, &[0x45]);
    assert_eq!(line(PACKET, &bytes), Some(Line { prefix: b"", packet: &[0x45], number: None }));
    assert_eq!(line(PACKET, &bytes[..4]), None, "nothing was logged");
}

proptest! {
    #[test]
    fn damaged_lines_decode_or_not(at in any::<prop::sample::Index>(), value in any::<u8>(), len in 0_usize..80) {
        let mut bytes = body(b"x", &[0x45; 40], 1);
        let at = at.index(bytes.len());
        bytes[at] = value;
        bytes.truncate(len);
        if let Some(line) = line(PACKET, &bytes) {
            prop_assert!(line.packet.len() <= bytes.len());
        }
    }
}
