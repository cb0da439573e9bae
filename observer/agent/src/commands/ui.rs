//! `flow-observer ui`: one page for the whole cluster, on the user's own machine.

mod answers;
mod flows;
mod nodes;
mod server;
mod shown;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::shown::{Shown, Source};
use crate::client::ask;
use crate::client::fleet::AgentArgs;
use crate::client::print::{Notes, unless_closed};
use crate::commands::stop::Stop;

/// The port where the page is, unless another program has it.
const PORT: u16 = 9478;

const AFTER: &str = "\
Without --url the page is for the whole cluster: the command finds the agents with your kubeconfig
and reaches them through the API server. The page is served on 127.0.0.1 only, under that name and
as localhost. Other users of this machine can open it while the command runs.

Examples:
  flow-observer ui                                  # the whole cluster, by the kubeconfig
  flow-observer ui --open                           # and open it in the browser
  flow-observer ui --url http://10.0.0.7:9477       # what one agent knows";

/// Holds the options of `ui`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER)]
pub struct UiArgs {
    /// Port of the page on 127.0.0.1; 0 for any [default: 9478, or any where another program has it]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    pub(super) agents: AgentArgs,
}

/// Serves the page until Ctrl-C or SIGTERM.
///
/// # Errors
/// Fails when there is no usable kubeconfig, no agent can be found at first, or the port can't be had.
pub async fn run(args: UiArgs) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    let stop = Stop::listen()?;
    let stopped = cancel.clone();
    tokio::spawn(async move {
        stop.received().await;
        stopped.cancel();
    });
    let served = serve(&args, io::stdout(), Notes, cancel.clone());
    let served = tokio::select! {
        served = served => served,
        // Also while the agents are looked for.
        () = cancel.cancelled() => Ok(()),
    };
    unless_closed(served).map(|()| ExitCode::SUCCESS)
}

/// The command with its outputs as parameters.
pub(super) async fn serve(
    args: &UiArgs,
    mut out: impl Write,
    mut notes: impl Write,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let mut agents = args.agents.clone();
    // The page is for the whole cluster unless an agent is named.
    agents.fleet.all_nodes = agents.fleet.all_nodes || agents.url.is_empty();
    let source = source(&agents, &mut notes).await?;
    let listener = listen(args.port).await?;
    let address = listener.local_addr()?;
    let url = format!("http://{address}/");
    writeln!(out, "{url}")?;
    out.flush()?;
    if args.open && !open(&url) {
        writeln!(notes, "flow-observer: no browser can be opened here; the address is above")?;
    }
    server::run(listener, address, Shown { agents: Arc::new(agents), source, cancel }).await
}

/// Finds the agents, so that a mistake shows at once and not first in the browser.
async fn source(agents: &AgentArgs, notes: &mut impl Write) -> anyhow::Result<Source> {
    if !agents.fleet.all_nodes {
        return Ok(Source::One(agents.one()?));
    }
    let fleet = agents.fleet.connect().await?;
    let survey = fleet.survey().await?;
    ask::note(&survey.absent, notes)?;
    ask::note_unknown(survey.unknown.as_deref(), notes)?;
    Ok(Source::All(fleet))
}

async fn listen(port: Option<u16>) -> anyhow::Result<TcpListener> {
    let bind = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    match port {
        Some(port) => bind(port).await.with_context(|| format!("port {port} of 127.0.0.1 can't be had")),
        None => match bind(PORT).await {
            Ok(listener) => Ok(listener),
            Err(_) => bind(0).await.context("no port of 127.0.0.1 can be had"),
        },
    }
}

/// Opens the browser. Returns false where there is none, or nowhere to show it.
fn open(url: &str) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !cfg!(target_os = "macos") && !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
        return false;
    }
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok()
}
