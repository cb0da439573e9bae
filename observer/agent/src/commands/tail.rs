//! `flow-observer tail`: an agent's flow records, as they happen.

pub(super) mod client;
mod events;
pub(super) mod follow;
#[cfg(test)]
mod tests;
pub(super) mod text;

use std::io::{self, BufWriter, Write};

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};
use flow_model::flow::Outcome;
use flow_model::record::{FlowRecord, Kind};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::follow::Follower;
use self::text::Text;
use crate::commands::connect::ConnectError;
use crate::commands::reach::{self, ReachArgs};
use crate::kube::agents::ReachError;
use crate::sink::tail::PodName;

pub(super) use self::text::printable;

/// Show connection attempts, resets and drops as they happen.
#[derive(Args, Clone, Debug)]
pub struct TailArgs {
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Only flows with a side in this namespace.
    #[arg(long, short, value_name = "NS")]
    pub namespace: Option<String>,
    /// Only flows from or to this pod.
    #[arg(long, value_name = "NS/NAME")]
    pub pod: Option<PodName>,
    /// Only records of these kinds: attempt, reset, drop, announcement, lost.
    #[arg(long, value_name = "K", value_delimiter = ',')]
    pub kind: Vec<Kind>,
    /// Only attempts that ended so: established, refused, rejected, unanswered.
    #[arg(long, value_name = "O", value_delimiter = ',')]
    pub outcome: Vec<Outcome>,
    /// Begin with what happened in the last 5m, or since a time like 2026-11-21T02:53:08Z.
    #[arg(long, value_parser = parse_since)]
    pub since: Option<String>,
    /// Stop after what is there already.
    #[arg(long)]
    pub no_follow: bool,
    /// `json` prints the records as they come, one a line.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
    /// Colour the text: auto does on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// How records are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Text,
    Json,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// Whether to colour; `auto` is what standard output can take.
    pub(super) fn wanted(self, auto: bool) -> bool {
        match self {
            Self::Auto => auto,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Why there is no tail. Each is for exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    #[error("`{0}` is not a URL like http://127.0.0.1:9477")]
    Url(String),
    #[error(
        "can't reach an agent at {url}: {reason}; start one with `flow-observer run`, or name another with --url or \
         FLOW_OBSERVER_URL"
    )]
    Unreachable { url: String, reason: String },
    #[error("can't reach the agent on {url}: {reason}")]
    Pod { url: String, reason: String },
    #[error("{url} answered {status}: {error}")]
    Refused { url: String, status: u16, error: String },
    #[error(
        "{url} answered {status}: {error}; give --token-file FILE with a token that it accepts, e.g. what `kubectl -n \
         flow-observer create token ACCOUNT` prints for an account that may get the path"
    )]
    Unauthorised { url: String, status: u16, error: String },
    #[error("{url} is not a Flow Observer agent: it answered with `{content_type}`, not events")]
    NotAnAgent { url: String, content_type: String },
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Reach(#[from] ReachError),
}

/// Prints records until the replay ends (`--no-follow`) or the reader of stdout goes away.
///
/// # Errors
/// A [`TailError`] when there is nothing to read from; an I/O error when stdout can't be written.
pub async fn run(args: TailArgs) -> anyhow::Result<()> {
    let printer = Printer::stdout(args.output, args.color);
    let result = if args.reach.all_nodes {
        let fleet = args.reach.fleet().await?;
        reach::tail::run(&fleet, &args, printer.with_nodes(), reach::tail::Notes).await
    } else {
        tail(&args, printer, io::stderr()).await
    };
    match result {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        result => result,
    }
}

/// The command with its outputs as parameters. `notes` is told about lost and regained connections.
async fn tail(args: &TailArgs, mut out: Printer<impl Write>, notes: impl Write) -> anyhow::Result<()> {
    let target = args.reach.target()?;
    let mut follower = Follower::new(target, args, notes);
    while let Some(line) = follower.next().await? {
        let record = out.print(&line)?;
        follower.printed(record);
        if !follower.has_more() {
            out.out.flush()?;
        }
    }
    Ok(out.out.flush()?)
}

/// Where records go. Without `text`, as they came.
pub(super) struct Printer<W> {
    pub(super) out: W,
    pub(super) text: Option<Text>,
}

impl Printer<BufWriter<io::Stdout>> {
    /// To standard output, as asked for.
    pub(super) fn stdout(output: Output, color: Color) -> Self {
        let stdout = io::stdout();
        let colour = color.wanted(AutoStream::choice(&stdout) != ColorChoice::Never);
        let text = (output == Output::Text).then(|| Text::new(TimeZone::system(), colour));
        Self { out: BufWriter::new(stdout), text }
    }
}

impl<W: Write> Printer<W> {
    /// Says of each record which node's agent saw it.
    pub(super) fn with_nodes(mut self) -> Self {
        if let Some(text) = &mut self.text {
            text.show_nodes();
        }
        self
    }

    /// Prints a record that did not come over HTTP.
    pub(super) fn record(&mut self, record: &FlowRecord) -> io::Result<()> {
        match &mut self.text {
            Some(text) => writeln!(self.out, "{}", text.line(record)),
            None => writeln!(self.out, "{}", serde_json::to_string(record)?),
        }
    }

    /// Writes what is buffered.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Returns the record's time, if it is one that this version understands.
    pub(super) fn print(&mut self, line: &str) -> io::Result<Option<Timestamp>> {
        let record: Option<FlowRecord> = serde_json::from_str(line).ok();
        let time = record.as_ref().map(|record| record.time);
        match (&mut self.text, record) {
            (Some(text), Some(record)) => writeln!(self.out, "{}", text.line(&record))?,
            // A newer agent's kind of record is better shown raw than not at all.
            (Some(_), None) => writeln!(self.out, "{}", printable(line))?,
            (None, _) => writeln!(self.out, "{line}")?,
        }
        Ok(time)
    }
}

pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Checked here for a quicker answer, but sent as written: the agent's clock counts.
fn parse_since(since: &str) -> Result<String, String> {
    if humantime::parse_duration(since).is_ok() || since.parse::<Timestamp>().is_ok() {
        return Ok(since.to_owned());
    }
    Err("neither a duration like 5m nor a time like 2026-11-21T02:53:08Z".to_owned())
}
