//! What the agent costs: nanoseconds a packet in the kernel, nanoseconds a verdict, and CPU and memory under a
//! connection storm or an ARP flood.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod announcements;
mod classifiers;
mod load;
mod verdicts;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "usage: bench [classifiers|announcements|verdicts|load]...   (all without arguments)";

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            println!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut wanted: Vec<String>) -> Result<ExitCode> {
    if wanted.is_empty() {
        wanted = vec!["classifiers".into(), "announcements".into(), "verdicts".into(), "load".into()];
    }
    for what in wanted {
        match what.as_str() {
            "classifiers" => classifiers::run()?,
            "announcements" => announcements::run()?,
            "verdicts" => verdicts::run()?,
            "load" => load::run()?,
            _ => {
                println!("{USAGE}");
                return Ok(ExitCode::from(2));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
