//! The answer to `explain` as text.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};
use flow_model::decision::{Decision, DirectionVerdict, Nearest};
use flow_policy::query::Reply;

use crate::client::print::{Look, printable};

/// Displays the decision with one sentence, then each direction.
pub(crate) struct AnswerText<'a> {
    pub(crate) answer: &'a Reply,
    pub(crate) look: &'a Look,
}

impl Display for AnswerText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reply { decision, src, dst, service, ingress, egress, explanation, notes, .. } = self.answer;
        let name = |name: &Option<String>| name.as_deref().map_or_else(|| "?".to_owned(), printable);
        let word = self.look.paint(style(*decision), word(*decision));
        writeln!(f, "{word}: {} -> {}: {}", name(src), name(dst), printable(explanation))?;
        if let Some(service) = service {
            writeln!(f, "  through Service {}", printable(service))?;
        }
        self.direction(f, "egress", egress)?;
        self.direction(f, "ingress", ingress)?;
        notes.iter().try_for_each(|note| writeln!(f, "  note: {}", printable(note)))
    }
}

impl AnswerText<'_> {
    fn direction(&self, f: &mut fmt::Formatter<'_>, name: &str, verdict: &DirectionVerdict) -> fmt::Result {
        let DirectionVerdict { decision, policies, rules, nearest, explanation } = verdict;
        let gap = " ".repeat("unknown".len() - word(*decision).len());
        let word = self.look.paint(style(*decision), word(*decision));
        writeln!(f, "  {name:<8} {word}{gap}  {}", printable(explanation))?;
        let by = match decision {
            Decision::Allow => "allowed by",
            Decision::Deny => "denied by",
            Decision::Unknown => "rules",
        };
        self.list(f, "policies", policies)?;
        self.list(f, by, rules)?;
        match nearest {
            Some(Nearest { rule, why, .. }) => self.line(f, "nearest", &format!("{rule}: {why}")),
            None => Ok(()),
        }
    }

    fn list(&self, f: &mut fmt::Formatter<'_>, name: &str, items: &[impl Display]) -> fmt::Result {
        if items.is_empty() {
            return Ok(());
        }
        let items: Vec<_> = items.iter().map(ToString::to_string).collect();
        self.line(f, name, &items.join(", "))
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
        let name = self.look.paint(Style::new().dimmed(), &format!("{name:<10}"));
        writeln!(f, "           {name}  {}", printable(text))
    }
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
        Decision::Unknown => "unknown",
    }
}

fn style(decision: Decision) -> Style {
    let colour = match decision {
        Decision::Allow => AnsiColor::Green,
        Decision::Deny => AnsiColor::Red,
        Decision::Unknown => AnsiColor::Yellow,
    };
    colour.on_default().bold()
}
