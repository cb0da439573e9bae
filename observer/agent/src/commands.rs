//! The command line, one file a subcommand.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod audit;
pub mod config;
pub mod connect;
pub mod doctor;
pub mod explain;
pub mod findings;
mod plugin;
pub mod reach;
pub mod replay;
pub mod run;
pub mod tail;
pub mod vips;

/// Usage or environment: something the user can mend.
const EXIT_USAGE: u8 = 2;

/// Watches a Kubernetes node's TCP handshakes, resets and drops with eBPF, and names who refused whom.
#[derive(Debug, Parser)]
#[command(name = "flow-observer", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent on this node
    Run(run::RunArgs),
    /// Print an agent's live flow tail
    Tail(tail::TailArgs),
    /// Print what to act on: who can't reach whom, which VIP flaps, and why
    Findings(findings::FindingsArgs),
    /// Print the load-balancer addresses: who announces each, and what the API says
    Vips(vips::VipsArgs),
    /// Say whether the policies allow a connection, and why
    Explain(explain::ExplainArgs),
    /// Print the flows of a recording, without a kernel or root
    Replay(replay::ReplayArgs),
    /// Say which observed connections proposed policies would refuse
    Audit(audit::AuditArgs),
    /// Say what this kernel and these permissions allow, line by line
    Doctor(doctor::DoctorArgs),
}

/// Parses the arguments, runs the command, and prints what went wrong as one sentence.
#[must_use]
pub fn main() -> ExitCode {
    let cli = plugin::parse(std::env::args_os());
    let result = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Tail(args) => block_on(tail::run(args)).map(|()| ExitCode::SUCCESS),
        Command::Findings(args) => block_on(findings::run(args)),
        Command::Vips(args) => block_on(vips::run(args)),
        Command::Explain(args) => block_on(explain::run(args)),
        Command::Replay(args) => replay::run(&args),
        Command::Audit(args) => block_on(audit::run(args)),
        Command::Doctor(args) => doctor::run(&args),
    };
    result.unwrap_or_else(|error| {
        anstream::eprintln!(
            "{}error:{} {error:#}",
            anstyle::AnsiColor::Red.on_default().render(),
            anstyle::Reset.render()
        );
        ExitCode::from(EXIT_USAGE)
    })
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
