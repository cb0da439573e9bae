//! `flow-observer run`: the agent itself.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::app;
use crate::config::Options;

/// Holds the options of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// TOML file with the settings below; flags and environment variables take precedence over it
    #[arg(long, value_name = "FILE", env = "FLOW_OBSERVER_CONFIG")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) options: Options,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Fails when the agent can't start: one sentence, with the remedy.
pub fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    log_to_stderr();
    if !nix::unistd::geteuid().is_root() && !may_load() {
        bail!(
            "the agent needs root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN; `flow-observer doctor` lists what is missing"
        );
    }
    crate::memory::share_heap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime could not be started")?;
    let result = runtime.block_on(app::run(args.options));
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result.map(|()| ExitCode::SUCCESS)
}

fn may_load() -> bool {
    use caps::{CapSet, Capability};
    let has = |c| caps::has_cap(None, CapSet::Effective, c).unwrap_or(false);
    has(Capability::CAP_NET_ADMIN)
        && (has(Capability::CAP_SYS_ADMIN) || (has(Capability::CAP_BPF) && has(Capability::CAP_PERFMON)))
}

fn log_to_stderr() {
    use std::io::IsTerminal as _;
    // The cluster source logs failures of the Kubernetes client itself, once each.
    let default = || EnvFilter::new("info,kube_client=off");
    let filter = EnvFilter::try_from_env("FLOW_OBSERVER_LOG").unwrap_or_else(|_| default());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

#[cfg(test)]
mod tests;
