//! A real Kubernetes cluster on one machine: each node is a set of namespaces with its own kubelet, containerd, kube-proxy
//! and kube-router. Nothing leaves the machine.

mod binaries;
mod control;
mod demo;
mod finish;
mod forward;
mod go;
mod images;
mod network;
mod node;
mod pki;
mod place;
mod process;
mod stop;
mod test;
mod up;
mod wait;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};

use crate::background::{Background, run_apart};
use crate::image;
use crate::run::{need_root, report_step};
use crate::setup::{self, Need};
use place::Place;

/// The lab's test target with the scenarios of the cluster.
pub(crate) const TESTS: &str = "cluster";

/// The newest Kubernetes that the tests run on; see docs/INSTALL.md for all versions that were tried.
const KUBERNETES: &str = "1.34.4";

/// The variable that names a directory with kube-apiserver and kubectl to the lab.
pub(crate) const PROGRAMS: &str = "FLOW_OBSERVER_KUBE";

/// The variable that names the directory with Helm to the lab.
pub(crate) const HELM: &str = "FLOW_OBSERVER_HELM";

/// The variable that names the directory with VictoriaLogs to the lab.
pub(crate) const VICTORIA_LOGS: &str = "FLOW_OBSERVER_VICTORIA_LOGS";

#[derive(Args, Debug)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    task: Task,
    /// Which cluster; several can run at once
    #[arg(long, global = true, default_value = place::DEFAULT, value_parser = place::name)]
    name: String,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build what is missing and start a cluster; it stays until `down`
    Up {
        #[command(flatten)]
        options: UpArgs,
        /// Also install the agents, the workloads of both incidents and Prometheus
        #[arg(long)]
        demo: bool,
    },
    /// Stop everything that `up` started, and remove its namespaces and files
    Down,
    /// Run kubectl as the cluster's administrator
    Kubectl {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Run a command on a node (n1, n2, ...) or on the LAN client (client); without a command, a shell
    Shell {
        node: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Make an image known to every node
    Load {
        /// Archive of an image, e.g. that of `cargo xtask image` [default: the agent as it is built for the tests]
        archive: Option<PathBuf>,
    },
    /// Start a cluster, run the scenarios on it, and stop it again
    Test(test::TestArgs),
    /// Builds what a cluster runs, and nothing else.
    #[command(hide = true)]
    Programs,
    /// Serves the API on loopback for as long as the cluster runs.
    #[command(hide = true)]
    Forward { to: u16 },
}

/// How a cluster is made.
#[derive(Args, Clone, Debug)]
struct UpArgs {
    /// Version of Kubernetes, from 1.30.14 on
    #[arg(long, value_name = "VERSION", default_value = KUBERNETES, value_parser = binaries::kubernetes::version)]
    kubernetes: String,
    /// How kube-proxy programs Services
    #[arg(long, value_enum, default_value_t = Proxy::Iptables)]
    proxy: Proxy,
    /// What enforces NetworkPolicies
    #[arg(long, value_enum, default_value_t = Enforcer::KubeRouter)]
    enforcer: Enforcer,
    /// Number of nodes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Proxy {
    Iptables,
    Nftables,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Enforcer {
    KubeRouter,
    None,
}

impl Proxy {
    fn mode(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
        }
    }
}

/// Fails with the remedy when [`api_server`] would have to build and can't: before other work that takes minutes.
pub(crate) fn api_server_can_be_had() -> Result<()> {
    if std::env::var_os(PROGRAMS).is_some() { Ok(()) } else { binaries::kubernetes_can_be_had(KUBERNETES) }
}

/// Fails with the remedy when [`helm`] would have to build and can't.
pub(crate) fn helm_can_be_had() -> Result<()> {
    if std::env::var_os(HELM).is_some() { Ok(()) } else { binaries::helm_can_be_had() }
}

/// Fails with the remedy when [`victoria_logs`] would have to build and can't.
pub(crate) fn victoria_logs_can_be_had() -> Result<()> {
    let is_given = std::env::var_os(VICTORIA_LOGS).is_some();
    if is_given { Ok(()) } else { binaries::victoria_logs_can_be_had() }
}

/// Fails with the remedy when the kernel can't carry a cluster, or [`Programs`] would have to build and can't.
pub(crate) fn can_be_had() -> Result<()> {
    network::need_bridge_netfilter()?;
    binaries::Binaries::can_be_had(KUBERNETES)
}

/// The cluster's programs, which are built on processor time that nothing else wants.
#[derive(Debug)]
pub(crate) struct Programs(Background);

impl Programs {
    pub(crate) fn start(root: &Path) -> Result<Self> {
        Ok(Self(Background::start(root, "cluster", &["programs"])?))
    }

    /// Waits for them, and runs all scenarios on a cluster with a name that no other has.
    pub(crate) fn test(self, root: &Path) -> Result<()> {
        report_step("waiting for the cluster's programs");
        self.0.wait()?;
        // A process of its own: it cleans up after a signal.
        run_apart(root, &["cluster", "test", "--name", &format!("ci{}", std::process::id())])
    }
}

/// Returns the directory with the API server and kubectl for tests that need no cluster, after installing and building what
/// is missing. The variable chooses another directory, e.g. of another version.
pub(crate) fn api_server(root: &Path) -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os(PROGRAMS) {
        return Ok(dir.into());
    }
    api_server_can_be_had()?;
    setup::ensure(root, &[Need::Etcd])?;
    binaries::kubernetes(root, KUBERNETES)
}

/// Returns the directory with Helm for tests that need no cluster, after building it where it is missing. The variable
/// chooses another directory.
pub(crate) fn helm(root: &Path) -> Result<PathBuf> {
    match std::env::var_os(HELM) {
        Some(dir) => Ok(dir.into()),
        None => helm_can_be_had().and_then(|()| binaries::helm(root)),
    }
}

/// Returns the directory with VictoriaLogs for tests, after building it where it is missing. The variable chooses another
/// directory.
pub(crate) fn victoria_logs(root: &Path) -> Result<PathBuf> {
    match std::env::var_os(VICTORIA_LOGS) {
        Some(dir) => Ok(dir.into()),
        None => victoria_logs_can_be_had().and_then(|()| binaries::victoria_logs(root)),
    }
}

/// Runs the task; the exit code is that of kubectl or of the command on the node.
pub(crate) fn run(root: &Path, args: &ClusterArgs) -> Result<ExitCode> {
    need_root("a cluster on this machine")?;
    let place = Place::of(&args.name);
    match &args.task {
        Task::Up { options, demo } => up::run(root, &place, options, *demo).map(|()| ExitCode::SUCCESS),
        Task::Down => stop::down(&place).map(|()| ExitCode::SUCCESS),
        Task::Kubectl { args } => place.running().and_then(|()| passed_on(place.kubectl_here(args))),
        Task::Shell { node, command } => {
            place.running().and_then(|()| passed_on(shell(&place, node, command)?))
        }
        Task::Load { archive } => {
            place.running()?;
            load(root, &place, archive.as_deref()).map(|()| ExitCode::SUCCESS)
        }
        Task::Test(options) => test::run(root, &place, options).map(|()| ExitCode::SUCCESS),
        Task::Programs => binaries::Binaries::ensure(root, KUBERNETES).map(|_| ExitCode::SUCCESS),
        Task::Forward { to } => forward::serve(&place, *to).map(|()| ExitCode::SUCCESS),
    }
}

fn load(root: &Path, place: &Place, archive: Option<&Path>) -> Result<()> {
    let archive = match archive {
        Some(archive) => archive.to_owned(),
        None => image::for_tests(root)?,
    };
    for node in place.nodes()? {
        images::load_on(place, &node, &archive)?;
    }
    report_step(&format!("{} is known to every node", archive.display()));
    Ok(())
}

fn shell(place: &Place, node: &str, command: &[String]) -> Result<Command> {
    let program = command.first().map_or("sh", String::as_str);
    let mut shell = place.on(node, program)?;
    shell.args(command.iter().skip(1)).env("KUBECONFIG", place.kubeconfig("admin"));
    Ok(shell)
}

fn passed_on(mut command: Command) -> Result<ExitCode> {
    let status = command.status().with_context(|| format!("{command:?} could not be started"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
