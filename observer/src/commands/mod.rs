//! See ARCHITECTURE.md.

pub mod tail;
