//! The report for people.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use flow_policy::audit::{AuditFinding, FlowGroup, Ignored, Judged, Level, Nodes, Place, Report, Unjudged};

use crate::client::print::{plural, printable};

/// Most flows without a certain verdict that are shown.
const UNSURE: usize = 20;

/// Writes the report.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    findings(&report.findings, out)?;
    ignored(&report.ignored, out)?;
    list("Observed flows that may or may not be refused:", unsure(&report.unknown), out)?;
    list("Not judged:", report.unjudged.iter().map(unjudged), out)?;
    list(
        "Not checked, because facts are missing:",
        report.not_run.iter().map(|n| format!("{}: {}", n.rule.as_str(), n.why)),
        out,
    )?;
    list("Notes:", report.notes.iter().cloned(), out)?;
    writeln!(out, "{}", summary(report))
}

fn findings(findings: &[AuditFinding], out: &mut impl Write) -> io::Result<()> {
    let bold = Style::new().bold();
    for of_file in findings.chunk_by(|a, b| heading(a) == heading(b)) {
        if let Some(first) = of_file.first() {
            writeln!(out, "{bold}{}{bold:#}", printable(&heading(first)))?;
        }
        for finding in of_file {
            let (style, level) = (style(finding.level), finding.level.as_str());
            let line = line(finding).map_or(String::new(), |line| format!("line {line}: "));
            let sentence = printable(&sentence(finding));
            writeln!(out, "  {line}{style}{level}{style:#} {sentence} [{}]", finding.rule.as_str())?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Returns the message with the object's name, unless it begins with that name.
pub(super) fn sentence(finding: &AuditFinding) -> String {
    match finding.message.starts_with(&*finding.object) {
        true => finding.message.clone(),
        false => format!("{}: {}", finding.object, finding.message),
    }
}

fn heading(finding: &AuditFinding) -> String {
    match &finding.place {
        Some(Place::File { file, .. }) => file.to_string(),
        Some(Place::Stdin { .. }) => "standard input".to_owned(),
        Some(Place::Resource(address)) => address.to_string(),
        None => "nothing that this change writes".to_owned(),
    }
}

fn line(finding: &AuditFinding) -> Option<usize> {
    match finding.place.as_ref()? {
        Place::File { line, .. } | Place::Stdin { line } => Some(*line).filter(|line| *line > 0),
        Place::Resource(_) => None,
    }
}

fn style(level: Level) -> Style {
    match level {
        Level::Error => AnsiColor::Red.on_default().bold(),
        Level::Warning => AnsiColor::Yellow.on_default(),
        Level::Note => AnsiColor::Cyan.on_default(),
    }
}

fn ignored(ignored: &[Ignored], out: &mut impl Write) -> io::Result<()> {
    let lines = ignored.iter().map(|Ignored { finding, reason }| {
        let place = finding.place.as_ref().map_or(String::new(), |place| format!("{place}: "));
        format!("{place}{} [{}]; reason given: {reason}", sentence(finding), finding.rule.as_str())
    });
    list("Ignored by annotation:", lines, out)
}

/// Returns what is not judged, where it is, and why.
pub(super) fn unjudged(unjudged: &Unjudged) -> String {
    let place = unjudged.place.as_ref().map_or(String::new(), |place| format!("{place}: "));
    format!("{place}{}", reason(unjudged))
}

/// Returns what is not judged, unless the reason names it, and why.
pub(super) fn reason(Unjudged { object, why, .. }: &Unjudged) -> String {
    match why.contains(&**object) {
        true => why.clone(),
        false => format!("{object}: {why}"),
    }
}

/// Describes the flows without a certain verdict.
pub(super) fn unsure(groups: &[FlowGroup]) -> impl Iterator<Item = String> {
    let lines = groups.iter().take(UNSURE).map(|group| {
        let FlowGroup { src, dst, port, explanation, .. } = group;
        format!("{src} -> {dst}:{port}: {explanation}")
    });
    let more = groups.len().checked_sub(UNSURE).filter(|more| *more > 0);
    let more = more.map(|more| format!("and {more} more; -o json has them all"));
    lines.chain(more)
}

fn list(title: &str, lines: impl Iterator<Item = String>, out: &mut impl Write) -> io::Result<()> {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "{title}")?;
    lines.try_for_each(|line| writeln!(out, "  {}", printable(&line)))?;
    writeln!(out)
}

/// Returns one or two sentences about what was audited and found.
pub(super) fn summary(report: &Report) -> String {
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    let unjudged = report.unjudged.len();
    let mut text = match report.findings.is_empty() {
        true if !report.judged_everything() => "No finding, but not everything was judged,".to_owned(),
        true => "Nothing found".to_owned(),
        false => {
            let levels = [(Level::Error, "error"), (Level::Warning, "warning"), (Level::Note, "note")];
            let counted =
                levels.map(|(level, noun)| (count(level), noun)).into_iter().filter(|(n, _)| *n > 0);
            counted.map(|(n, noun)| plural(n, noun)).collect::<Vec<_>>().join(", ")
        }
    };
    // Writing to a String does not fail.
    write!(
        text,
        " in {}",
        if report.policies == 1 { "1 policy".into() } else { format!("{} policies", report.policies) }
    )
    .ok();
    if unjudged > 0 {
        write!(text, "; {unjudged} not judged").ok();
    }
    if !report.ignored.is_empty() {
        write!(text, "; {} ignored", report.ignored.len()).ok();
    }
    match report.flows {
        Some(Judged { judged, allowed, denied, unknown }) => write!(
            text,
            ". {}{} judged: {allowed} allowed, {denied} refused, {unknown} unknown.",
            plural(judged, "flow"),
            report.nodes.as_ref().map(of_nodes).unwrap_or_default()
        )
        .ok(),
        None => {
            write!(text, ". No flows were judged; give observed ones with --flows, --url or --all-nodes.")
                .ok()
        }
    };
    text
}

/// Names the part of the nodes whose flows are judged: ` of 1 of 3 nodes`.
fn of_nodes(nodes: &Nodes) -> String {
    match nodes.missing.is_empty() {
        true => String::new(),
        false => nodes.in_words().trim_start_matches("flows").to_owned(),
    }
}
