//! A finding for people: its sentence, then what is known besides.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};
use flow_model::finding::{Finding, Severity, State};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::commands::tail::printable;

/// Fits `enforcement_mismatch`, the longest.
const KIND: usize = 20;

pub(super) struct Text<'a> {
    pub(super) finding: &'a Finding,
    pub(super) zone: &'a TimeZone,
    pub(super) colour: bool,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { kind, summary, cause, nodes, id, .. } = self.finding;
        let kind = self.paint(self.style(), &format!("{:KIND$}", kind.as_str()));
        writeln!(f, "{kind}  {}", printable(summary))?;
        let nodes: Vec<_> = nodes.iter().map(|node| printable(node)).collect();
        self.line(f, &format!("{}; seen on {}; id {id}", self.story(), nodes.join(", ")))?;
        match cause {
            Some(cause) if !summary.contains(cause.as_str()) => {
                self.line(f, &format!("cause: {}", printable(cause)))
            }
            _ => Ok(()),
        }
    }
}

impl Text<'_> {
    /// `active since 2026-11-21 11:06:40, 9 times, last 11:08:12`.
    fn story(&self) -> String {
        let Finding { state, first_seen, last_seen, resolved_at, count, .. } = self.finding;
        let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
        let (first, last) = (self.time(*first_seen), self.time(*last_seen));
        match (state, resolved_at) {
            (State::Active, _) => format!("active since {first}, {times}, last {last}"),
            (State::Resolved, Some(at)) => {
                format!("resolved {}, began {first}, {times}, last {last}", self.time(*at))
            }
            (State::Resolved, None) => format!("resolved, began {first}, {times}, last {last}"),
        }
    }

    fn time(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
        writeln!(f, "{:KIND$}  {}", "", self.paint(Style::new().dimmed(), text))
    }

    fn style(&self) -> Style {
        match (self.finding.state, self.finding.severity) {
            (State::Resolved, _) => AnsiColor::Green.on_default(),
            (State::Active, Severity::Info) => Style::new(),
            (State::Active, Severity::Warning) => AnsiColor::Yellow.on_default(),
            (State::Active, Severity::Critical) => AnsiColor::Red.on_default().bold(),
        }
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::{finding, resolved};

    #[test]
    fn a_sentence_then_its_story() {
        let text = |finding: &Finding, colour| Text { finding, zone: &TimeZone::UTC, colour }.to_string();
        let found = Finding {
            count: 9,
            summary: "web/front can't reach data/db:5432: refused by NetworkPolicy data/deny\u{1b}[2J".into(),
            cause: Some("policy data/deny changed".into()),
            nodes: vec!["node1".into(), "node2".into()],
            ..finding("0f", 0)
        };
        let expected = "\
policy_denied         web/front can't reach data/db:5432: refused by NetworkPolicy data/deny?[2J
                      active since 2026-11-18 11:06:40, 9 times, last 2026-11-18 11:06:40; seen on node1, node2; id 0f
                      cause: policy data/deny changed
";
        assert_eq!(text(&found, false), expected);
        let over = text(&resolved(finding("0f", 0), 5), false);
        assert!(
            over.contains("resolved 2026-11-18 11:06:45, began 2026-11-18 11:06:40, once, last"),
            "{over}"
        );
        assert!(text(&found, true).starts_with("\u{1b}[33mpolicy_denied"));
    }
}
