//! A finding as text: its sentence, then times, nodes and cause.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};
use flow_model::finding::{Finding, Severity, State};

use crate::client::print::{Look, printable};

/// Width of `enforcement_mismatch`, the longest kind.
const KIND: usize = 20;

/// Displays one finding on two or three lines.
pub(crate) struct FindingText<'a> {
    pub(crate) finding: &'a Finding,
    pub(crate) look: &'a Look,
}

impl Display for FindingText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { kind, summary, cause, nodes, id, .. } = self.finding;
        let kind = self.look.paint(self.style(), &format!("{:KIND$}", kind.as_str()));
        writeln!(f, "{kind}  {}", printable(summary))?;
        let nodes: Vec<_> = nodes.iter().map(|node| printable(node)).collect();
        self.line(f, &format!("{}; seen on {}; id {id}", self.times(), nodes.join(", ")))?;
        match cause {
            Some(cause) if !summary.contains(cause.as_str()) => {
                self.line(f, &format!("cause: {}", printable(cause)))
            }
            _ => Ok(()),
        }
    }
}

impl FindingText<'_> {
    /// Returns for example `active since 2026-11-21 11:06:40, 9 times, last 11:08:12`.
    fn times(&self) -> String {
        let Finding { state, first_seen, last_seen, resolved_at, count, .. } = self.finding;
        let count = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        let (first, last) = (self.look.time(*first_seen), self.look.time(*last_seen));
        match (state, resolved_at) {
            (State::Active, _) => format!("active since {first}, {count}, last {last}"),
            (State::Resolved, Some(at)) => {
                format!("resolved {}, began {first}, {count}, last {last}", self.look.time(*at))
            }
            (State::Resolved, None) => format!("resolved, began {first}, {count}, last {last}"),
        }
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
