//! `cargo xtask`: set-up, demo, tests, benchmarks and checks of this repository.

mod background;
mod build;
mod cache;
mod check;
mod cluster;
mod demo;
mod dist;
mod fuzz;
mod image;
mod page;
mod progress;
mod rules;
mod run;
mod setup;
mod test;
mod tidy;
mod vm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set-up, demo, tests, benchmarks and checks of Flow Observer.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install everything that any command uses: Debian packages, bpf-linker, a toolchain for the eBPF target. The
    /// commands install what they use themselves
    Setup,
    /// Play an incident with real packets and the real agent; no cluster needed
    Demo(demo::DemoArgs),
    /// Run all tests: units, and the scenarios on this machine's kernel (needs root)
    Test(test::TestArgs),
    /// Measure nanoseconds per packet, and the agent under a connection storm (needs root)
    Bench(demo::BenchArgs),
    /// Load the agent for minutes, and fail when it leaks, miscounts or stops working (needs root)
    Soak(demo::SoakArgs),
    /// Run the core scenarios on Debian's kernels in QEMU, with the same binary
    Vm(vm::VmArgs),
    /// Start a real Kubernetes cluster on this machine: kubelets, kube-proxy and kube-router in network namespaces
    Cluster(cluster::ClusterArgs),
    /// Look for inputs that crash or hang the readers and evaluators, or make the two evaluators differ
    Fuzz(fuzz::FuzzArgs),
    /// Build the container image: a static program in an OCI archive, for `k3s ctr images import`
    Image(image::ImageArgs),
    /// Build a release: archives of the static program for each architecture, checksums, bills of materials, and a manifest for
    /// krew
    Dist(dist::DistArgs),
    /// Write the alert rules from their source, deploy/prometheus/alerts.yaml
    Rules(rules::RulesArgs),
    /// Build the page from its sources, observer/agent/ui
    Ui(page::PageArgs),
    /// Check what the compiler doesn't: dependencies of the lower crates, circles of files, file sizes
    Tidy,
    /// Run what CI runs: formatting, tidy, lints, docs, other kernels, fuzzing, tests, a soak, the scenarios on a cluster
    Ci,
}

fn main() -> ExitCode {
    let root = root();
    let result = match Cli::parse().task {
        Task::Setup => setup::all(&root).map(|()| ExitCode::SUCCESS),
        Task::Demo(args) => demo::demo(&root, &args),
        Task::Test(args) => test::run_all(&root, &args).map(|()| ExitCode::SUCCESS),
        Task::Bench(args) => demo::bench(&root, &args),
        Task::Soak(args) => demo::soak(&root, &args),
        Task::Vm(args) => setup::ensure(&root, setup::Need::AGENT)
            .and_then(|()| vm::run(&args, &root))
            .map(|()| ExitCode::SUCCESS),
        Task::Cluster(args) => cluster::run(&root, &args),
        Task::Fuzz(args) => fuzz::fuzz(&root, &args).map(|()| ExitCode::SUCCESS),
        Task::Image(args) => image::run_task(&root, &args).map(|()| ExitCode::SUCCESS),
        Task::Dist(args) => dist::run_task(&root, &args).map(|()| ExitCode::SUCCESS),
        Task::Rules(args) => rules::run(&root, &args).map(|()| ExitCode::SUCCESS),
        Task::Ui(args) => page::run_task(&root, &args).map(|()| ExitCode::SUCCESS),
        Task::Tidy => tidy::run(&root).map(|()| ExitCode::SUCCESS),
        Task::Ci => check::run_all(&root).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        run::report_error(&format!("{error:#}"));
        ExitCode::from(if error.is::<run::Environment>() { 2 } else { 1 })
    })
}

/// Returns the workspace's folder, which holds this crate's.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
