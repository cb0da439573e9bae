//! Text as other systems write it.

use std::borrow::Cow;

use rstest::rstest;

use super::*;
use crate::encoding::utf8;

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

fn utf32(text: &str, unit: fn(u32) -> [u8; 4]) -> Vec<u8> {
    text.chars().flat_map(|c| unit(c.into())).collect()
}

#[rstest]
#[case::little(utf16("\u{feff}kind: é\r\n", u16::to_le_bytes))]
#[case::big(utf16("\u{feff}kind: é\r\n", u16::to_be_bytes))]
#[case::little_without_mark(utf16("kind: é\r\n", u16::to_le_bytes))]
#[case::big_without_mark(utf16("kind: é\r\n", u16::to_be_bytes))]
#[case::four_bytes_little(utf32("\u{feff}kind: é\r\n", u32::to_le_bytes))]
#[case::four_bytes_big(utf32("kind: é\r\n", u32::to_be_bytes))]
#[case::utf8("\u{feff}kind: é\r\n".as_bytes().to_vec())]
fn every_encoding_becomes_utf8(#[case] bytes: Vec<u8>) {
    assert_eq!(String::from_utf8(utf8(&bytes).into_owned()).unwrap(), "kind: é\r\n");
}

#[test]
fn lone_carriage_returns_end_lines_and_marks_within_a_file_go() {
    assert_eq!(&*utf8(b"a\rb\r\nc"), b"a\nb\r\nc");
    assert_eq!(&*utf8("a\n\u{feff}---\nx: '\u{feff}'\n".as_bytes()), "a\n---\nx: '\u{feff}'\n".as_bytes());
    assert!(matches!(utf8(b"a\r\nb\n"), Cow::Borrowed(_)));
}

#[test]
fn half_a_character_loses_one_document() {
    let mut bytes = utf16(&format!("{}---\nx: 1\n", mk_pod("a", "10.0.0.1")), u16::to_le_bytes);
    bytes.push(0x41);
    let dir = directory(&[]);
    fs::write(dir.path().join("x.yaml"), bytes).unwrap();
    let loaded = load(dir.path()).unwrap();
    assert_eq!((names(&loaded.inventory), loaded.problems.len()), (vec!["a"], 1));
}

#[test]
fn an_export_of_another_system_is_read() {
    let text = format!("\u{feff}{}---\n{}", mk_pod("a", "10.0.0.1"), mk_pod("b", "10.0.0.2"));
    let breaks = text.replace('\n', "\r\n");
    for bytes in
        [utf16(&breaks, u16::to_le_bytes), utf16(&breaks, u16::to_be_bytes), text.replace('\n', "\r").into()]
    {
        let dir = directory(&[]);
        fs::write(dir.path().join("x.yaml"), bytes).unwrap();
        let loaded = load(dir.path()).unwrap();
        assert_eq!((names(&loaded.inventory), loaded.problems), (vec!["a", "b"], vec![]));
    }
}
