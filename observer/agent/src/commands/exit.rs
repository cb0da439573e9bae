//! Exit codes that commands share.

/// The exit code for errors in the arguments or the environment, which the user can mend.
pub(super) const EXIT_USAGE: u8 = 2;
