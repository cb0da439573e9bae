//! Text as programs on any system write it, to UTF-8 with line feeds.
//!
//! PowerShell's `>` writes UTF-16, editors write byte order marks, and `cat` leaves such a mark in the middle of a file.

use std::borrow::Cow;

const MARK: &[u8] = "\u{feff}".as_bytes();

/// Stands for what is no character. It is no UTF-8 either, so only the document that holds it is lost.
const INVALID: u8 = 0xff;

/// Returns the text as UTF-8, without byte order marks at the start of a line, and with a line feed for each carriage return
/// that stands alone. Lines keep their numbers.
#[must_use]
pub fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    match Wide::of(bytes) {
        Some(wide) => Cow::Owned(plain(&wide.decoded(bytes)).into_owned()),
        None => plain(bytes),
    }
}

/// Encodings of more than one byte a character.
#[derive(Clone, Copy)]
enum Wide {
    Utf16(fn([u8; 2]) -> u16),
    Utf32(fn([u8; 4]) -> u32),
}

impl Wide {
    /// Recognises the encoding by the byte order mark, or by the zeros beside the first character, which is an ASCII one in
    /// YAML and JSON.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xfe, 0, 0, ..] | [_, 0, 0, 0, ..] => Some(Self::Utf32(u32::from_le_bytes)),
            [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, _, ..] => Some(Self::Utf32(u32::from_be_bytes)),
            [0xff, 0xfe, ..] | [_, 0, ..] => Some(Self::Utf16(u16::from_le_bytes)),
            [0xfe, 0xff, ..] | [0, _, ..] => Some(Self::Utf16(u16::from_be_bytes)),
            _ => None,
        }
    }

    fn decoded(self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let rest = match self {
            Self::Utf16(unit) => {
                let (units, rest) = bytes.as_chunks();
                let units = units.iter().map(|bytes| unit(*bytes));
                char::decode_utf16(units).for_each(|character| push(character.ok(), &mut out));
                rest
            }
            Self::Utf32(unit) => {
                let (units, rest) = bytes.as_chunks();
                units.iter().for_each(|bytes| push(char::from_u32(unit(*bytes)), &mut out));
                rest
            }
        };
        out.extend(rest.iter().map(|_| INVALID));
        out
    }
}

fn push(character: Option<char>, out: &mut Vec<u8>) {
    match character {
        Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.push(INVALID),
    }
}

fn plain(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let lone = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    let marked = |at: usize| bytes[at] == MARK[0] && bytes[at..].starts_with(MARK);
    if !(0..bytes.len()).any(|at| lone(at) || marked(at)) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if lone(at) {
            out.push(b'\n');
        } else if marked(at) && out.last().is_none_or(|last| *last == b'\n') {
            at += MARK.len() - 1;
        } else {
            out.push(bytes[at]);
        }
        at += 1;
    }
    Cow::Owned(out)
}
