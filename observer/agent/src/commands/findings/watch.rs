//! `findings --watch`: the findings, then each change of them.

use std::fmt::{self, Display};
use std::io::Write;
use std::pin::pin;
use std::time::Duration;

use flow_model::finding::Finding;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::sleep;

use crate::causes::causes;
use crate::client::print::{Look, Printer, printable};
use crate::commands::findings::changes::{Change, Changes};
use crate::commands::findings::{FindingsArgs, joined_of};

/// Time between two questions.
const EVERY: Duration = Duration::from_secs(2);

/// A line of the output.
#[derive(Serialize)]
struct Line<'a> {
    /// The time at which the command learnt of it.
    time: Timestamp,
    change: Change,
    finding: &'a Finding,
}

/// Prints the findings and their changes until `stop`.
///
/// # Errors
/// Fails when no agent can be asked at first, or the output can't be written. Later failures are notes, each once.
pub(super) async fn watch(
    args: &FindingsArgs,
    mut out: Printer<impl Write>,
    mut notes: impl Write,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut stop = pin!(stop);
    let (mut changes, mut first, mut noted) = (Changes::default(), true, Vec::new());
    loop {
        let mut said = Vec::new();
        let answer = tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            answer = joined_of(args, &mut said) => answer,
        };
        match answer {
            Ok((findings, _)) => print(args, &changes.since_last(findings), &mut out)?,
            Err(error) if first => return Err(error),
            Err(error) => writeln!(said, "flow-observer: {}; trying again", causes(error.as_ref()))?,
        }
        if said != noted {
            notes.write_all(&said)?;
            noted = said;
        }
        first = false;
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = sleep(EVERY) => {}
        }
    }
}

fn print(
    args: &FindingsArgs,
    changes: &[(Change, Finding)],
    out: &mut Printer<impl Write>,
) -> anyhow::Result<()> {
    let time = Timestamp::now();
    for (change, finding) in changes {
        if args.state.is_none_or(|state| finding.state == state) {
            let line = Line { time, change: *change, finding };
            out.print(&line, |look| Text { line: &line, look }.to_string())?;
        }
    }
    Ok(out.flush()?)
}

/// Displays a change as one line.
struct Text<'a> {
    line: &'a Line<'a>,
    look: &'a Look,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { time, change, finding } = self.line;
        let change = if *change == Change::Present { <&str>::from(finding.state) } else { (*change).into() };
        let because = finding.ended_because.as_ref().map(|because| format!(" ({because})"));
        let text = format!("{}{}", finding.summary, because.unwrap_or_default());
        writeln!(
            f,
            "{}  {change:8}  {:20}  {}",
            self.look.time(*time),
            finding.kind.as_str(),
            printable(&text)
        )
    }
}

#[cfg(test)]
mod tests;
