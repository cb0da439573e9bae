//! The report as workflow commands of GitHub Actions, which become annotations of the pull request.

use std::io::{self, Write};

use flow_policy::audit::{Ignored, Level, Place, Report};

use crate::client::print::printable;
use crate::commands::audit::text::{reason, sentence, summary, unsure};

/// Writes the report.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for finding in &report.findings {
        let command = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "notice",
        };
        line(command, finding.place.as_ref(), finding.rule.as_str(), &sentence(finding), out)?;
    }
    for Ignored { finding, reason } in &report.ignored {
        let title = format!("{} (ignored)", finding.rule.as_str());
        let message = format!("{}; reason given: {reason}", sentence(finding));
        line("notice", finding.place.as_ref(), &title, &message, out)?;
    }
    for unjudged in &report.unjudged {
        line("warning", unjudged.place.as_ref(), "not judged", &reason(unjudged), out)?;
    }
    for flow in unsure(&report.unknown) {
        line("warning", None, "flow not judged", &flow, out)?;
    }
    for not_run in &report.not_run {
        writeln!(out, "::debug::{} was not checked: {}", not_run.rule.as_str(), data(&not_run.why))?;
    }
    for note in &report.notes {
        writeln!(out, "::notice::{}", data(note))?;
    }
    // This line is no command, so it must not begin like one.
    writeln!(out, "{}", printable(&summary(report)))
}

fn line(
    command: &str,
    place: Option<&Place>,
    title: &str,
    message: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let title = property(title);
    match place {
        Some(Place::File { file, line }) => {
            let (file, line) = (property(file), (*line).max(1));
            writeln!(out, "::{command} file={file},line={line},title={title}::{}", data(message))
        }
        Some(elsewhere) => {
            writeln!(out, "::{command} title={title}::{}", data(&format!("{elsewhere}: {message}")))
        }
        None => writeln!(out, "::{command} title={title}::{}", data(message)),
    }
}

/// Escapes a message as the toolkit's `escapeData` does.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property as the toolkit's `escapeProperty` does.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests;
