//! Lines with a checksum, for files that a killed process may have left half written.

/// Returns a line that holds this text, which must have no line break.
pub(crate) fn seal(text: &str) -> String {
    format!("{:016x} {text}\n", fnv(text.as_bytes()))
}

/// Returns the text of a line without its line break, or `None` where it is not whole.
pub(crate) fn open(line: &str) -> Option<&str> {
    let (sum, text) = line.split_once(' ')?;
    (u64::from_str_radix(sum, 16).ok()? == fnv(text.as_bytes())).then_some(text)
}

/// Returns the 64-bit FNV-1a hash, which stays the same in every build.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
