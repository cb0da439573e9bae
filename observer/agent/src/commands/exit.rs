//! Exit codes that commands share.

use std::process::ExitCode;

/// The exit code for errors in the arguments or the environment, which the user can mend.
pub(super) const EXIT_USAGE: u8 = 2;

/// Returns the exit code of a command that asked all agents.
pub(super) fn asked(incomplete: bool) -> ExitCode {
    if incomplete { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS }
}
