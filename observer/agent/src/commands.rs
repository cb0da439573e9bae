//! The command line, one file per subcommand.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::exit::EXIT_USAGE;
use crate::client::print;
use crate::config;

pub mod audit;
pub mod cleanup;
pub mod completions;
pub mod doctor;
mod exit;
pub mod explain;
mod filters;
pub mod findings;
mod joined;
pub mod man;
mod names;
mod plugin;
pub mod replay;
pub mod run;
pub mod snapshot;
mod stop;
pub mod tail;
#[cfg(test)]
mod tests;
pub mod ui;
pub mod vips;

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
    /// Print the flow records of agents as they happen: connection attempts, resets, drops
    Tail(tail::TailArgs),
    /// Print what needs action: who can't reach whom, which VIP flaps, and why
    Findings(findings::FindingsArgs),
    /// Print the load-balancer addresses: who announces each, and what the API says
    Vips(vips::VipsArgs),
    /// Serve a page for the whole cluster to this machine, and print its address
    Ui(ui::UiArgs),
    /// Explain whether the policies allow a connection, and why
    Explain(explain::ExplainArgs),
    /// Print the flows of a recording, without a kernel or root
    Replay(replay::ReplayArgs),
    /// List the observed connections that proposed policies would refuse, and the policies that can't work as written
    Audit(audit::AuditArgs),
    /// Write the cluster into a file, for `audit` and `explain` where there is no cluster
    Snapshot(snapshot::SnapshotArgs),
    /// Check whether the agent can run with this kernel and these permissions, and what the running one can't see
    Doctor(doctor::DoctorArgs),
    /// Remove what agents left on this node: pinned maps, attached programs and state
    Cleanup(cleanup::CleanupArgs),
    /// Print what a shell needs to complete the commands and options
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write the pages of all subcommands
    Man(man::ManArgs),
}

/// Parses the arguments, runs the command, and prints an error as one sentence.
#[must_use]
pub fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    let result = parse(&args).and_then(|cli| dispatch(cli.command));
    result.unwrap_or_else(|error| {
        print::error(&error);
        ExitCode::from(EXIT_USAGE)
    })
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Tail(args) => block_on(tail::run(args)),
        Command::Findings(args) => block_on(findings::run(args)),
        Command::Vips(args) => block_on(vips::run(args)),
        Command::Ui(args) => block_on(ui::run(args)),
        Command::Explain(args) => block_on(explain::run(args)),
        Command::Replay(args) => replay::run(&args),
        Command::Audit(args) => block_on(audit::run(args)),
        Command::Snapshot(args) => block_on(snapshot::run(args)),
        Command::Doctor(args) => block_on(doctor::run(args)),
        Command::Cleanup(args) => cleanup::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
    }
}

/// Parses the arguments. Ends the process on `--help` and on wrong arguments, as clap does.
///
/// A configuration file supplies defaults, and so the arguments are parsed once more when `run` names one.
fn parse(args: &[OsString]) -> anyhow::Result<Cli> {
    let command = plugin::named(Cli::command(), args.first());
    let mut cli = parse_as(command.clone(), args);
    if let Command::Run(run::RunArgs { config: Some(path), .. }) = &cli.command {
        let file = config::File::read(path)?;
        let command = command.mut_subcommand("run", |run| file.apply(run));
        cli = parse_as(command, args);
        if let Command::Run(run) = &mut cli.command {
            run.options.check = file.checks;
        }
    }
    Ok(cli)
}

fn parse_as(mut command: clap::Command, args: &[OsString]) -> Cli {
    let mut matches = command.try_get_matches_from_mut(args).unwrap_or_else(|error| error.exit());
    Cli::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
