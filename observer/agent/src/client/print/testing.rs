//! Printers for tests: UTC, and no colour.

use super::*;

/// Returns a printer of `format` that writes to `out`.
pub(crate) fn printer<W>(out: W, format: Format) -> Printer<W> {
    Printer { out, format, look: look(false) }
}

/// Returns a look in UTC.
pub(crate) fn look(colour: bool) -> Look {
    Look { colour, zone: TimeZone::UTC }
}
