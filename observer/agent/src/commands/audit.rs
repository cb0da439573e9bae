//! `flow-observer audit`: proposed policies against observed flows, before they are merged.

mod baseline;
mod github;
mod gitlab;
mod json;
mod manifests;
mod sarif;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, BufWriter, Read, Write};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use anyhow::Context as _;
use clap::{ArgGroup, Args, ValueEnum};
use flow_model::baseline::Baseline;
use flow_objects::plan;
use flow_policy::audit::{Change, Report, audit};

use crate::client::fleet::{AgentArgs, FleetArgs};
use crate::client::print::{Notes, PrintArgs, is_broken_pipe};
use crate::commands::exit::EXIT_USAGE;
use crate::commands::snapshot;
use crate::config::EnforcerChoice;

/// The path that stands for standard input.
const STDIN: &str = "-";

const AFTER: &str = "\
Exit codes:
  0  everything was judged, and nothing was found
  1  something was found, or a document can't be read
  2  something was not judged, such as a Cilium policy, a chart, a resource of a plan, or an observed
     flow whose verdict is unknown, or the flows of nodes that are missing from the answer; or the
     arguments are wrong, or a file is missing
--allow-unjudged makes 0 of what is only not judged or not read. The report lists it all the same.";

/// Report which observed connections proposed policies would refuse, and mistakes in the policies.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER, group(ArgGroup::new("proposal").required(true).multiple(true).args(["manifests", "plan"])))]
pub struct AuditArgs {
    /// Directory or file with the manifests; - reads the output of `kubectl kustomize` or `helm template`
    #[arg(long, value_name = "PATH")]
    manifests: Vec<PathBuf>,
    /// Output of `terraform show -json` or `tofu show -json` for a plan; - reads it from standard input
    #[arg(long, value_name = "FILE")]
    plan: Vec<PathBuf>,
    /// The cluster and its observed flows: a file of `flow-observer snapshot`, or an answer of /api/v1/snapshot, once per node
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "all_nodes"])]
    flows: Vec<PathBuf>,
    // No environment variable: with one, each audit by files would be in conflict with it.
    /// Agents whose observed flows are used, several times or with commas. Each knows the flows of its node only: where other
    /// nodes are missing, not everything is judged
    #[arg(long, value_delimiter = ',', conflicts_with = "all_nodes")]
    url: Vec<String>,
    /// Namespace of objects that name none, as `helm template` prints them
    #[arg(long, value_name = "NAME", requires = "manifests")]
    namespace: Option<String>,
    /// Accept what can't be read or judged, and flows whose verdict is unknown: they are listed, but don't change the exit
    /// code
    #[arg(long)]
    allow_unjudged: bool,
    /// What enforces the policies: verdicts are what it does
    #[arg(long, value_enum, value_name = "NAME", default_value_t = EnforcerChoice::Auto)]
    enforcer: EnforcerChoice,
    #[command(flatten)]
    fleet: FleetArgs,
    #[command(flatten)]
    print: PrintArgs<Format>,
}

/// The format in which the report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Sentences by file, for people
    #[default]
    Text,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
    /// A Code Quality report, for GitLab
    Gitlab,
}

/// Audits and prints. The exit code is 1 when something is found, and 2 when something is not judged.
///
/// # Errors
/// Fails when there is nothing to audit, the baseline can't be read, or the output can't be written.
pub async fn run(args: AuditArgs) -> anyhow::Result<ExitCode> {
    run_with(&args, &mut io::stdin().lock(), BufWriter::new(args.print.stream())).await
}

/// Runs the command with its input and output as parameters.
async fn run_with(args: &AuditArgs, stdin: &mut impl Read, out: impl Write) -> anyhow::Result<ExitCode> {
    // The process ends after this, so that nothing has to be freed object by object.
    let (change, baselines) = sources(args, stdin).await?;
    let (change, baselines) = (ManuallyDrop::new(change), ManuallyDrop::new(baselines));
    let report = ManuallyDrop::new(audit(&change, &baselines));
    match print(args.print.output, &report, out) {
        Err(error) if is_broken_pipe(&error) => {}
        printed => printed.context("the report can't be written")?,
    }
    Ok(match (report.found_something(), report.judged_everything() || args.allow_unjudged) {
        (true, _) => ExitCode::from(1),
        (false, false) => ExitCode::from(EXIT_USAGE),
        (false, true) => ExitCode::SUCCESS,
    })
}

/// Reads the change and the baselines. Files of both are read at the same time.
async fn sources(args: &AuditArgs, stdin: &mut impl Read) -> anyhow::Result<(Change, Vec<Baseline>)> {
    let (change, from_files) = thread::scope(|scope| {
        let from_files = scope.spawn(|| baselines(&args.flows));
        let change = proposed(args, stdin);
        (change, from_files.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let mut change = change?;
    if args.allow_unjudged {
        change.allow_unreadable();
    }
    let baselines = match from_agents(args).await? {
        Some(baseline) => vec![baseline],
        None => from_files?,
    };
    Ok((change, baselines))
}

fn proposed(args: &AuditArgs, stdin: &mut impl Read) -> anyhow::Result<Change> {
    let from_stdin = args.manifests.iter().chain(&args.plan).filter(|path| path.as_os_str() == STDIN).count();
    anyhow::ensure!(
        from_stdin <= 1,
        "standard input can be read once: only one of --manifests and --plan may be -"
    );
    let mut change = Change::default();
    let namespace = args.namespace.as_deref();
    for path in &args.manifests {
        change.extend(match path.as_os_str() == STDIN {
            true => manifests::stdin(&read(stdin)?, namespace)?,
            false => manifests::load(path, namespace)?,
        });
    }
    for path in &args.plan {
        let (name, json) = match path.as_os_str() == STDIN {
            true => ("standard input".to_owned(), read(stdin)?),
            false => (path.display().to_string(), read_file(path)?),
        };
        change.extend(plan::change(&json).with_context(|| name)?);
    }
    change.enforcer = args.enforcer.chosen().or(change.enforcer);
    Ok(change)
}

fn baselines(files: &[PathBuf]) -> anyhow::Result<Vec<Baseline>> {
    files.iter().map(|path| baseline::read(path)).collect()
}

async fn from_agents(args: &AuditArgs) -> anyhow::Result<Option<Baseline>> {
    if !args.fleet.all_nodes && args.url.is_empty() {
        return Ok(None);
    }
    let agents = AgentArgs { url: args.url.clone(), fleet: args.fleet.clone() };
    snapshot::of_agents(&agents, Notes).await.map(Some)
}

fn read(stdin: &mut impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes).context("standard input can't be read")?;
    Ok(bytes)
}

fn read_file(path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| {
        let path = path.display();
        format!("{path} can't be read; `tofu plan -out=p && tofu show -json p > {path}` makes one")
    })
}

fn print(format: Format, report: &Report, mut out: impl Write) -> anyhow::Result<()> {
    match format {
        Format::Text => text::write(report, &mut out)?,
        Format::Json => json::write(report, &mut out)?,
        Format::Sarif => sarif::write(report, &mut out)?,
        Format::Github => github::write(report, &mut out)?,
        Format::Gitlab => gitlab::write(report, &mut out)?,
    }
    Ok(out.flush()?)
}
