//! Plays an incident with real packets and the real agent, and shows the agent's output.

mod args;
mod audit;
mod narrator;
mod story;
mod tail;
mod vip;

use std::process::ExitCode;

use lab::wait;

use args::{Args, Incident};
use narrator::Narrator;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(usage) => return complain(&usage, 2),
    };
    let mut narrator = Narrator::new(args.json);
    let played = match args.incident {
        Incident::Postgres => story::play(&args, &mut narrator),
        Incident::Vip => vip::play(&args, &mut narrator),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        // The error is the interruption; the lab is removed already.
        Err(_) if wait::interrupted() => ExitCode::from(130),
        Err(error) => complain(&format!("demo: {error:#}"), 1),
    }
}

#[expect(clippy::print_stderr, reason = "a command's errors go to standard error")]
fn complain(message: &str, code: u8) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}
