//! As much of ELF as it takes to tell a static program.

use anyhow::{Context as _, Result, ensure};

/// `p_type` of the segment that names the dynamic loader.
const PT_INTERP: u32 = 3;

/// True unless a 64-bit little-endian program asks for a dynamic loader.
pub(super) fn is_static(elf: &[u8]) -> Result<bool> {
    ensure!(elf.starts_with(b"\x7fELF\x02\x01"), "no 64-bit little-endian ELF program");
    let (table, size, count) = (number(elf, 32, 8)?, number(elf, 54, 2)?, number(elf, 56, 2)?);
    for index in 0..count {
        let kind = number(elf, table.saturating_add(index * size), 4)?;
        if kind == u64::from(PT_INTERP) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An unsigned number of `length` bytes at most 8.
fn number(elf: &[u8], at: u64, length: usize) -> Result<u64> {
    let at = usize::try_from(at)?;
    let bytes = elf.get(at..).and_then(|rest| rest.get(..length)).context("the ELF file is cut off")?;
    let mut all = [0; 8];
    all[..length].copy_from_slice(bytes);
    Ok(u64::from_le_bytes(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_tells() {
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
}
