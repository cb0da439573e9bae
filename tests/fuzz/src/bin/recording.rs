//! Reads any bytes as a recording, up to the damage. The engine handles its inputs, and what was read can be written again.
//!
//! Random changes don't get past a checksum. So bytes that are no gzip are taken as the contents of the gzip members. With
//! [`MAGIC`] in front, they are the members themselves, separated by a byte that no UTF-8 text has. Otherwise each line is
//! JSON: the header first, then the entries.
#![no_main]

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use flow_core::engine::Engine;
use flow_core::recording::{MAGIC, Reader, VERSION, Writer};
use libfuzzer_sys::fuzz_target;

const GZIP: &[u8] = &[0x1f, 0x8b];
const SEPARATOR: u8 = 0xff;

fuzz_target!(|bytes: &[u8]| {
    let file = match bytes {
        _ if bytes.starts_with(GZIP) => bytes.to_vec(),
        _ if bytes.starts_with(MAGIC) => bytes.split(|byte| *byte == SEPARATOR).flat_map(member).collect(),
        _ => framed(bytes),
    };
    let Ok(mut reader) = Reader::open(&*file) else { return };
    let mut engine = Engine::new(reader.header().node.clone());
    let mut writer = Writer::new(Vec::new(), reader.header()).expect("writing to memory succeeds");
    let mut entries = Vec::new();
    for (time, input) in reader.by_ref().map_while(Result::ok) {
        writer.write(time, &input).expect("writing to memory succeeds");
        entries.push((time, input.clone()));
        engine.handle(input, time);
        while engine.next_output().is_some() {}
    }
    engine.finish();
    while engine.next_output().is_some() {}
    assert!(reader.next().is_none(), "the reader continues after its end");
    let again = writer.finish().expect("writing to memory succeeds");
    let again = Reader::open(&*again).expect("a recording").map(|entry| entry.expect("an entry"));
    assert!(again.eq(entries), "the copy differs from the original");
});

/// Frames lines as a recording: the first is the header, each later one an entry.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut contents = MAGIC.to_vec();
    contents.extend(VERSION.to_le_bytes());
    let mut file = Vec::new();
    for (n, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        contents.extend(u32::try_from(line.len()).unwrap_or(u32::MAX).to_le_bytes());
        contents.extend(line);
        if n == 0 {
            file = member(&contents);
            contents.clear();
        }
    }
    file.extend(member(&contents));
    file
}

fn member(contents: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(contents).expect("writing to memory succeeds");
    gzip.finish().expect("writing to memory succeeds")
}
