//! Any bytes to a ring record: it depends on its own bytes only, and what is short is said to be short.
#![no_main]

use libfuzzer_sys::fuzz_target;
use observer_abi::{DecodeError, Record};

fuzz_target!(|bytes: &[u8]| {
    match Record::decode(bytes) {
        Ok(record) => {
            let longer = [bytes, &[0xff; 8]].concat();
            assert_eq!(Record::decode(&longer), Ok(record), "bytes past the record count");
        }
        Err(DecodeError::Short { need, got }) => assert!(got == bytes.len() && need > got),
        Err(DecodeError::UnknownKind(kind)) => assert_eq!(Some(&kind), bytes.first()),
    }
});
