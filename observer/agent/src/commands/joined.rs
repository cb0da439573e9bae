//! The commands that ask every agent once and print the joined answer: `findings` and `vips`.

use std::io::{self, Write};
use std::process::ExitCode;

use arcstr::ArcStr;
use serde::de::DeserializeOwned;

use crate::client::ask::{self, Answers};
use crate::client::fleet::AgentArgs;
use crate::commands::exit::EXIT_USAGE;

/// Asks the agents for `path`, joins their answers, and prints the result. Notes `nothing` when it is empty.
///
/// # Errors
/// Fails when no agent can be asked, or the output can't be written.
pub(super) async fn print<R: DeserializeOwned + Send + 'static, T>(
    (agents, path): (&AgentArgs, &str),
    join: impl FnOnce(Vec<(Option<ArcStr>, R)>) -> Vec<T>,
    print: impl FnOnce(&[T]) -> io::Result<()>,
    nothing: &str,
    mut notes: impl Write,
) -> anyhow::Result<ExitCode> {
    let Answers { answers, incomplete } = ask::get::<R>(agents, path, &mut notes).await?;
    let joined = join(answers);
    print(&joined)?;
    if joined.is_empty() {
        writeln!(notes, "{nothing}")?;
    }
    Ok(if incomplete { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS })
}
