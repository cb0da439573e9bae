//! `flow-observer cleanup`: removes what agents left on this node.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::app::SingleInstance;
use crate::client::print::plural;
use crate::{probes, state};

/// Holds the options of `cleanup`.
#[derive(Args, Debug)]
pub struct CleanupArgs {
    /// Directory on a bpffs in which agents pinned maps and attachments
    #[arg(
        long,
        value_name = "DIR",
        env = "FLOW_OBSERVER_PIN_DIR",
        default_value = "/sys/fs/bpf/flow-observer"
    )]
    pin_dir: PathBuf,
    /// Directory in which agents kept their state
    #[arg(
        long,
        value_name = "DIR",
        env = "FLOW_OBSERVER_STATE_DIR",
        default_value = "/var/lib/flow-observer"
    )]
    state_dir: PathBuf,
}

/// Removes pins, filters and state.
///
/// # Errors
/// Fails without root, where an agent runs on this node, or where something can't be removed.
pub fn run(args: &CleanupArgs) -> anyhow::Result<ExitCode> {
    if !nix::unistd::geteuid().is_root() {
        bail!("cleanup needs root: others can't see what agents left on this node; nothing was removed");
    }
    let _no_agent_starts_meanwhile = SingleInstance::claim()?;
    let pins = probes::pins::remove_all(&args.pin_dir)
        .with_context(|| format!("the pins in {} can't be removed", args.pin_dir.display()))?
        .pins;
    let filters = probes::remove_filters().context("the interfaces can't be listed")?;
    let files = state::remove_all(&args.state_dir)
        .with_context(|| format!("the state in {} can't be removed", args.state_dir.display()))?;
    let [pins, filters, files] =
        [(pins, "pin"), (filters, "filter"), (files, "file")].map(|(n, what)| plural(n, what));
    writeln!(std::io::stdout(), "removed {pins}, {filters} and {files}")?;
    Ok(ExitCode::SUCCESS)
}
