//! Measures the agent's cost: nanoseconds per packet in the kernel, nanoseconds per verdict, CPU and memory under a
//! connection storm or an ARP flood, and memory beside a large cluster.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod announcements;
mod audit;
mod classifiers;
mod kube;
mod load;
mod verdicts;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str =
    "usage: bench [classifiers|announcements|verdicts|audit|load|kube]...   (all without arguments)";

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
        wanted =
            ["classifiers", "announcements", "verdicts", "audit", "load", "kube"].map(str::to_owned).to_vec();
    }
    for what in wanted {
        match what.as_str() {
            "classifiers" => classifiers::run()?,
            "announcements" => announcements::run()?,
            "verdicts" => verdicts::run()?,
            "audit" => audit::run()?,
            "load" => load::run()?,
            "kube" => kube::run()?,
            _ => {
                println!("{USAGE}");
                return Ok(ExitCode::from(2));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
