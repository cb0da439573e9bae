//! Reads enough of ELF to recognise a static program.

use anyhow::{Context as _, Result, ensure};

/// The `p_type` of the segment that names the dynamic loader.
const PT_INTERP: u32 = 3;

/// Is true unless a 64-bit little-endian program needs a dynamic loader.
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

/// Reads an unsigned number of `length` bytes, at most 8.
fn number(elf: &[u8], at: u64, length: usize) -> Result<u64> {
    let at = usize::try_from(at)?;
    let bytes = elf.get(at..).and_then(|rest| rest.get(..length)).context("the ELF file is cut off")?;
    let mut all = [0; 8];
    all[..length].copy_from_slice(bytes);
    Ok(u64::from_le_bytes(all))
}

#[cfg(test)]
mod tests;
