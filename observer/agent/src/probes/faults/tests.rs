//! Counts and logs of what can't be decoded.

use observer_abi::Record;

use super::*;

fn lost(count: u64) -> Option<Input> {
    Some(Input::Lost { stage: LostStage::Decode, count })
}

#[test]
fn a_ring_record_that_cannot_be_decoded_is_counted() {
    let mut faults = Faults::default();
    let reset = [[2; 1].as_slice(), &[0; 87]].concat();
    for bytes in [&[][..], &[9; 104], &[2; 8], &[1; 104], &reset] {
        let decoded = Record::decode(bytes);
        assert_eq!(faults.check(decoded), decoded.ok());
    }
    assert_eq!(faults.take(), lost(3), "two are records");
    assert_eq!(faults.take(), None, "each is counted once");
}

#[test]
fn each_kind_of_fault_is_logged_once() {
    let mut faults = Faults::default();
    let value = |field, value| DecodeError::UnknownValue { field, value };
    for error in [value("vantage", 3), value("vantage", 4), value("side", 3), DecodeError::UnknownKind(9)] {
        assert_eq!(faults.check::<()>(Err(error)), None);
    }
    assert_eq!(faults.logged, BTreeSet::from(["kind", "side", "vantage"]));
    assert_eq!(faults.take(), lost(4));
}
