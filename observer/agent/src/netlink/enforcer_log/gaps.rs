//! Lines that are missing, by the numbers of those that came.

/// Remembers the number of the newest line. The kernel numbers the lines of a group, also those that find no room.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    next: Option<u32>,
}

impl Gaps {
    /// Takes a line's number, and returns how many are missing before it.
    pub(super) fn before(&mut self, number: u32) -> u64 {
        let missing = self.next.map_or(0, |next| number.wrapping_sub(next));
        self.next = Some(number.wrapping_add(1));
        // A number that goes back is no gap of billions.
        if missing > u32::MAX / 2 { 0 } else { missing.into() }
    }
}
