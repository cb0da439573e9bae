//! `flow-observer`: parses the command line and hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    observer::commands::main()
}
