//! Decodes any bytes as a ring record. The result depends on the record's own bytes only, and errors name what is wrong.
#![no_main]

use libfuzzer_sys::fuzz_target;
use observer_abi::{DecodeError, Kind, Record};

fuzz_target!(|bytes: &[u8]| {
    match Record::decode(bytes) {
        Ok(record) => {
            let longer = [bytes, &[0xff; 8]].concat();
            assert_eq!(Record::decode(&longer), Ok(record), "bytes past the record count");
        }
        Err(DecodeError::Short { need, got }) => assert!(got == bytes.len() && need > got),
        Err(DecodeError::UnknownKind(kind)) => {
            assert_eq!((Some(&kind), Kind::from_byte(kind)), (bytes.first(), None));
        }
        Err(DecodeError::UnknownValue { value, .. }) => assert!(bytes.contains(&value)),
    }
});
