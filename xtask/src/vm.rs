//! `cargo xtask vm`: the tests on other kernels, each in a QEMU guest.
//!
//! Nothing is installed: programs that the machine lacks are unpacked in a cache outside the checkout. A guest is a
//! Debian cloud kernel with an initramfs of this machine's own tools, so that binaries from here find the same libc
//! there.

mod apt;
mod console;
mod cpio;
mod guest;
mod kernel;
mod matrix;
mod payload;
mod qemu;
mod scratch;
mod tools;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use apt::Apt;
use guest::Guest;
use kernel::Kernel;
use payload::Payload;
use scratch::Scratch;
use tools::Tools;

use crate::cache::Cache;

/// Selects kernels and tests.
#[derive(Debug, clap::Args)]
pub(crate) struct VmArgs {
    /// Kernel series, as Debian packages them
    #[arg(value_name = "KERNEL", default_values = ["5.10", "6.1", "6.12"])]
    pub(crate) kernels: Vec<String>,
    /// Guests that run at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) jobs: u8,
    /// Keep the consoles of passed guests as well, in target/vm
    #[arg(long)]
    pub(crate) keep: bool,
    /// Run only the tests whose name contains this
    #[arg(long, value_name = "NAME")]
    pub(crate) filter: Option<String>,
    /// Check only that the guests offer what the tests need; build nothing
    #[arg(long)]
    pub(crate) smoke: bool,
    /// Seconds that a guest may take, from power on to power off
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub(crate) timeout: u64,
}

impl VmArgs {
    /// Returns what CI runs: every default kernel, all core scenarios.
    pub(crate) fn matrix() -> Self {
        let kernels = ["5.10", "6.1", "6.12"].map(String::from).to_vec();
        Self { kernels, jobs: 2, keep: false, filter: None, smoke: false, timeout: 900 }
    }
}

/// Runs the tests on each kernel and prints a line for each.
///
/// # Errors
/// Fails when something can't be downloaded, built or started, and when a kernel fails.
pub(crate) fn run(args: &VmArgs, workspace: &Path) -> Result<()> {
    let out = workspace.join("target/vm");
    let scratch = Scratch::new(&out)?;
    let payload = if args.smoke { None } else { Some(Payload::build(workspace, args.filter.clone())?) };
    let (tools, kernels) = prepare(&args.kernels)?;
    let guest = Guest::pack(&tools, payload.as_ref(), scratch.dir())?;
    let plan = matrix::Plan {
        jobs: args.jobs.into(),
        timeout: Duration::from_secs(args.timeout),
        keep: args.keep,
        out: &out,
        scratch: scratch.dir(),
    };
    let failed = matrix::run(&plan, &tools, &guest, &kernels)?;
    print_line(&format!("{} passed, {failed} failed", kernels.len() - failed));
    if failed > 0 {
        bail!("{failed} of {} kernels failed", kernels.len());
    }
    Ok(())
}

/// Fetches tools and kernels. Only one process at a time fills the cache.
fn prepare(series: &[String]) -> Result<(Tools, Vec<Kernel>)> {
    let cache = Cache::open("vm")?;
    let _lock = cache.lock()?;
    let apt = Apt::open(&cache)?;
    let tools = Tools::obtain(&cache, &apt)?;
    let kernels = series.iter().map(|s| Kernel::obtain(&cache, &apt, &tools, s)).collect::<Result<_>>()?;
    Ok((tools, kernels))
}

/// Prints a line of the report, which is this command's output.
fn print_line(line: &str) {
    anstream::println!("{line}");
}
