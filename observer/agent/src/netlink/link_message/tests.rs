//! Arbitrary bytes.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn any_bytes_decode_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(link) = LinkMessage::decode(&bytes) {
            prop_assert_ne!(link.ifindex, 0);
        }
    }
}
