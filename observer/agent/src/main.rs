//! `flow-observer`: runs the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    observer::commands::main()
}
