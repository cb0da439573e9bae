use super::*;

#[test]
fn a_program_with_an_interpreter_is_dynamic() {
    let mut elf = vec![0; 64 + 2 * 56];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    (elf[32], elf[54], elf[56]) = (64, 56, 2);
    (elf[64], elf[120]) = (1, 1);
    assert!(is_static(&elf).unwrap());
    elf[120] = 3;
    assert!(!is_static(&elf).unwrap());
    assert!(is_static(&elf[..100]).is_err(), "cut off");
    assert!(is_static(b"#!/bin/sh").is_err());
}

#[test]
fn this_very_test_is_dynamic() {
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(!is_static(&own).unwrap());
}
