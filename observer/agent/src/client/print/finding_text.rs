//! A finding as text: its sentence, then times and nodes, its cause, and its end.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};
use flow_model::finding::{Finding, Severity, State};

use crate::client::print::{Look, printable};

/// Width of `enforcement_mismatch`, the longest kind.
const KIND: usize = 20;

/// Displays one finding on two to four lines.
pub(crate) struct FindingText<'a> {
    pub(crate) finding: &'a Finding,
    pub(crate) look: &'a Look,
}

impl Display for FindingText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { kind, summary, cause, nodes, id, previous, .. } = self.finding;
        let kind = self.look.paint(self.style(), &format!("{:KIND$}", kind.as_str()));
        writeln!(f, "{kind}  {}", printable(summary))?;
        let nodes: Vec<_> = nodes.iter().map(|node| printable(node)).collect();
        let after = previous.as_ref().map(|id| format!(", after {id}")).unwrap_or_default();
        self.line(f, &format!("{}; seen on {}; id {id}{after}", self.times(), nodes.join(", ")))?;
        if let Some(cause) = cause.as_ref().filter(|cause| !summary.contains(cause.as_str())) {
            self.line(f, &format!("cause: {}", printable(cause)))?;
        }
        match self.end() {
            Some(end) => self.line(f, &end),
            None => Ok(()),
        }
    }
}

impl FindingText<'_> {
    /// Returns for example `active since 2026-11-21 11:06:40, 9 times, last 11:08:12`.
    fn times(&self) -> String {
        let Finding { state, first_seen, last_seen, count, .. } = self.finding;
        let count = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        let (first, last) = (self.look.time(*first_seen), self.look.time(*last_seen));
        let began = match state {
            State::Active => "active since",
            State::Resolved => "began",
        };
        format!("{began} {first}, {count}, last {last}")
    }

    /// Returns for example `ended 2026-11-21 11:09:02: the policies allow it since 2026-11-21T11:09:02Z`.
    fn end(&self) -> Option<String> {
        let Finding { ended, ended_because, .. } = self.finding;
        let ended = self.look.time((*ended)?);
        let because = ended_because.as_ref().map(|because| format!(": {}", printable(because)));
        Some(format!("ended {ended}{}", because.unwrap_or_default()))
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
        writeln!(f, "{:KIND$}  {}", "", self.look.paint(Style::new().dimmed(), text))
    }

    fn style(&self) -> Style {
        match (self.finding.state, self.finding.severity) {
            (State::Resolved, _) => AnsiColor::Green.on_default(),
            (State::Active, Severity::Info) => Style::new(),
            (State::Active, Severity::Warning) => AnsiColor::Yellow.on_default(),
            (State::Active, Severity::Critical) => AnsiColor::Red.on_default().bold(),
        }
    }
}

#[cfg(test)]
mod tests;
