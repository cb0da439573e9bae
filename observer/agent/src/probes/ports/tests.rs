//! Tests of the set of ports.

use super::*;

#[test]
fn each_port_has_a_bit_of_its_own() {
    let words = words([0, 80, 50_051, u16::MAX, 80]);
    assert_eq!(words.iter().map(|word| word.count_ones()).sum::<u32>(), 4);
    assert_eq!((words[0], words[1], words[782], words[1_023]), (1, 1 << 16, 1 << 3, 1 << 63));
}
