//! Flow records: aligned lines for people, or the JSON of the API.

use std::fmt::{self, Display};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use arcstr::{ArcStr, literal};
use flow_model::decision::Decision;
use flow_model::flow::{Outcome, RstOrigin, SentBy};
use flow_model::input::Announced;
use flow_model::object_ref::joined;
use flow_model::record::{
    Announcement, Attempt, Check, Drop, Endpoint, EnforcementLag, EnforcerStatement, Event, FlowRecord,
    FlowVerdict, LagSince, Lost, Reset,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::client::print::{Format, Look, Printer, memory_text, printable};

/// Width of a side's column, in characters. A longer name is cut in its middle.
const MAX_SRC: usize = 50;
const MAX_DST: usize = 64;
const MAX_NODE: usize = 24;
/// Width of `established`, the longest word.
const WORD: usize = 11;

/// Takes the lines of a stream of records.
pub(crate) trait RecordSink {
    /// Takes a record as an agent sent it. Returns its time, if this version understands the record.
    fn line(&mut self, json: &str) -> io::Result<Option<Timestamp>>;

    /// Writes what is buffered.
    fn flush(&mut self) -> io::Result<()>;
}

/// Prints flow records in the format that was asked for.
#[derive(Debug)]
pub(crate) struct RecordPrinter<W> {
    pub(crate) out: Printer<W>,
    lines: Lines,
}

impl<W: Write> RecordPrinter<W> {
    /// Returns a printer of records on this output.
    pub(crate) fn new(out: Printer<W>) -> Self {
        let lines = Lines::new(out.look.clone());
        Self { out, lines }
    }

    /// Adds a column with the node whose agent saw the record.
    pub(crate) fn with_nodes(mut self) -> Self {
        self.lines.nodes = Some(0);
        self
    }

    /// Prints a record.
    pub(crate) fn record(&mut self, record: &FlowRecord) -> io::Result<()> {
        match self.out.format {
            Format::Text => writeln!(self.out.out, "{}", self.lines.line(record)),
            Format::Json => writeln!(self.out.out, "{}", serde_json::to_string(record)?),
        }
    }
}

impl<W: Write> RecordSink for RecordPrinter<W> {
    fn line(&mut self, json: &str) -> io::Result<Option<Timestamp>> {
        let record: Option<FlowRecord> = serde_json::from_str(json).ok();
        let time = record.as_ref().map(|record| record.time);
        match (self.out.format, record) {
            // It is among the notes.
            (_, Some(FlowRecord { event: Event::Memory(_), .. })) => {}
            (Format::Text, Some(record)) => self.record(&record)?,
            // A newer agent's kind of record is better printed raw than left out.
            (Format::Text, None) => writeln!(self.out.out, "{}", printable(json))?,
            (Format::Json, _) => writeln!(self.out.out, "{json}")?,
        }
        Ok(time)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Returns what happened as one line, without its time.
pub(crate) fn sentence(event: &Event) -> String {
    let mut parts = Vec::new();
    parts.extend(event.endpoints().map(|(src, dst)| sides(src, dst)));
    if let Event::Announcement(announcement) = event {
        parts.push(announced(announcement));
    }
    parts.push(word(event).0.to_owned());
    parts.push(Details(event).to_string());
    parts.retain(|part| !part.is_empty());
    printable(&parts.join(" "))
}

/// Returns both sides of a flow.
pub(crate) fn sides(src: &Endpoint, dst: &Endpoint) -> String {
    format!("{} -> {}", source(src), destination(dst))
}

/// Formats records as lines. Columns grow with the names that have been printed.
#[derive(Debug)]
struct Lines {
    look: Look,
    /// Width of the nodes' column, where there is one.
    nodes: Option<usize>,
    src_width: usize,
    dst_width: usize,
}

impl Lines {
    fn new(look: Look) -> Self {
        Self { look, nodes: None, src_width: 0, dst_width: 0 }
    }

    /// Returns the line of a record, without a line end.
    fn line(&mut self, record: &FlowRecord) -> String {
        let time = record.time.to_zoned(self.look.zone.clone()).strftime("%H:%M:%S%.3f").to_string();
        let mut line = self.look.paint(Style::new().dimmed(), &time);
        line.push_str("  ");
        if let Some(width) = &mut self.nodes {
            let node = shorten(&printable(&record.node), MAX_NODE);
            *width = (*width).max(node.chars().count());
            line.push_str(&format!("{node:0$}  ", *width));
        }
        if let Some((src, dst)) = record.event.endpoints() {
            line.push_str(&self.sides(src, dst));
        }
        if let Event::Announcement(announcement) = &record.event {
            let vip = shorten(&printable(&announced(announcement)), MAX_DST);
            line.extend([vip.as_str(), "  "]);
        }
        let (word, style) = word(&record.event);
        line.push_str(&self.look.paint(style, word));
        let details = printable(&Details(&record.event).to_string());
        if !details.is_empty() {
            let gap = WORD - word.len().min(WORD) + 1;
            line.extend([" ".repeat(gap).as_str(), &details]);
        }
        line
    }

    fn sides(&mut self, src: &Endpoint, dst: &Endpoint) -> String {
        let src = shorten(&printable(&source(src)), MAX_SRC);
        let dst = shorten(&printable(&destination(dst)), MAX_DST);
        self.src_width = self.src_width.max(src.chars().count());
        self.dst_width = self.dst_width.max(dst.chars().count());
        format!("{src:0$} -> {dst:1$}  ", self.src_width, self.dst_width)
    }
}

/// Returns the client with its port, by which other tools' lines are found. Protocols without ports have none.
fn source(src: &Endpoint) -> String {
    match (names(src), src.port) {
        (Some(name), 0) => name,
        (Some(name), port) => format!("{name}:{port}"),
        (None, 0) => src.ip.to_string(),
        (None, port) => std::net::SocketAddr::new(src.ip, port).to_string(),
    }
}

/// Returns what the client addressed, and in parentheses which backend that was.
fn destination(dst: &Endpoint) -> String {
    let Some(service) = &dst.service else {
        return match names(dst) {
            Some(name) => format!("{name}:{}", dst.port),
            None => std::net::SocketAddr::new(dst.ip, dst.port).to_string(),
        };
    };
    let mut out = format!("{service}:{}", dst.port);
    let same_namespace = dst.namespace.as_ref() == Some(&service.namespace);
    let backend = match (&dst.pod, &dst.backend_ip) {
        (Some(pod), _) if same_namespace => Some(pod.to_string()),
        (Some(_), _) => names(dst),
        (None, Some(ip)) => Some(ip.to_string()),
        (None, None) => None,
    };
    if let Some(backend) = backend {
        out.extend([" (", &backend, ")"]);
    }
    out
}

fn names(endpoint: &Endpoint) -> Option<String> {
    match endpoint {
        Endpoint { namespace: Some(namespace), pod: Some(pod), .. } => Some(format!("{namespace}/{pod}")),
        Endpoint { service: Some(service), .. } => Some(service.to_string()),
        Endpoint { node: Some(node), .. } => Some(format!("node {node}")),
        _ => None,
    }
}

fn word(event: &Event) -> (&'static str, Style) {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match event {
        Event::Attempt(attempt) => {
            let style = match attempt.outcome {
                Outcome::Established => colour(AnsiColor::Green),
                Outcome::Refused | Outcome::Rejected => colour(AnsiColor::Red),
                Outcome::Unanswered => colour(AnsiColor::Yellow),
            };
            (attempt.outcome.as_str(), style)
        }
        Event::Reset(_) => ("reset", colour(AnsiColor::Magenta)),
        Event::Drop(_) => ("drop", colour(AnsiColor::Red)),
        Event::Announcement(_) => ("announcement", colour(AnsiColor::Cyan)),
        Event::Check(Check { ok, .. }) => {
            ("check", colour(if *ok { AnsiColor::Green } else { AnsiColor::Red }))
        }
        Event::PolicyChange(_) => ("policy", colour(AnsiColor::Blue)),
        Event::Lost(_) => ("lost", colour(AnsiColor::Yellow).bold()),
        Event::Memory(_) => ("memory", colour(AnsiColor::Yellow)),
    }
}

struct Details<'a>(&'a Event);

impl Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Attempt(attempt) => fmt_attempt(attempt, f),
            Event::Reset(Reset { by, phase, vip, origin, cause, .. }) => {
                write!(f, "by {by}, {}", phase.explained())?;
                vip.iter().try_for_each(|vip| write!(f, ", VIP {vip}"))?;
                sender(origin).iter().try_for_each(|sender| write!(f, ", {sender}"))?;
                cause.iter().try_for_each(|cause| write!(f, ", {}: {cause}", cause.explained()))
            }
            Event::Drop(Drop { reason, protocol, tcp_flags, enforcer, enforcer_policy, .. }) => {
                write!(f, "{reason} {protocol}")?;
                tcp_flags.iter().try_for_each(|flags| write!(f, " {flags}"))?;
                enforcer_note(*enforcer, enforcer_policy.as_deref())
                    .iter()
                    .try_for_each(|note| write!(f, " {note}"))
            }
            Event::Announcement(announcement) => fmt_announcement(announcement, f),
            Event::PolicyChange(change) => f.write_str(&change.summary),
            Event::Check(check) => fmt_check(check, f),
            Event::Lost(Lost { lost, stage }) => match stage.as_str() {
                "client" => write!(f, "{lost} records: this reader was too slow"),
                "ring" => write!(f, "{lost} records: more came at once than can be told one by one"),
                stage => write!(f, "{lost} records at stage {stage}"),
            },
            Event::Memory(memory) => f.write_str(&memory_text::kinds(memory, &TimeZone::UTC)),
        }
    }
}

fn fmt_check(
    Check { name, step, error, duration_us, .. }: &Check,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    match step {
        None => write!(f, "{name} ok {}", latency(*duration_us)),
        Some(step) => {
            write!(f, "{name} failed at {}: {}", step.as_str(), error.as_deref().unwrap_or("no reason given"))
        }
    }
}

/// The address, and in parentheses whose it is.
fn announced(announcement: &Announcement) -> String {
    let Announcement { ip, services, .. } = announcement;
    if services.is_empty() { ip.to_string() } else { format!("{ip} ({})", joined(services)) }
}

/// Writes `moved k8s-node3 -> k8s-node4, MAC 02:..:04 (gratuitous request)`.
fn fmt_announcement(announcement: &Announcement, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Announcement { mac, claimant, previous, r#move, how, .. } = announcement;
    let claimant = claimant.as_deref().unwrap_or("unknown node");
    match previous {
        Some(previous) if *r#move => write!(f, "moved {previous} -> {claimant}")?,
        _ if *r#move => write!(f, "moved to {claimant}")?,
        _ => write!(f, "by {claimant}")?,
    }
    let how = match how {
        Announced::GratuitousRequest => "gratuitous request",
        Announced::GratuitousReply => "gratuitous reply",
        Announced::Arp => "ARP",
        Announced::Advertisement => "neighbour advertisement",
    };
    write!(f, ", MAC {mac} ({how})")
}

fn fmt_attempt(attempt: &Attempt, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut parts = Vec::new();
    // The signal of the other outcomes is implied: a SYN-ACK establishes, a RST refuses.
    if attempt.outcome == Outcome::Rejected {
        parts.extend(attempt.signal.as_ref().map(ToString::to_string));
    }
    parts.extend(attempt.drop_reason.as_ref().map(|reason| format!("({reason})")));
    parts.extend(attempt.cause.map(|cause| format!("({cause})")));
    parts.extend(enforcer_note(attempt.enforcer, attempt.enforcer_policy.as_deref()));
    parts.extend(sender(&attempt.origin).map(|sender| format!("({sender})")));
    if attempt.count > 1 {
        parts.push(format!("({} alike)", attempt.count));
    }
    parts.extend(attempt.latency_us.map(latency));
    if attempt.syn_retransmits > 0 {
        parts.push(format!("after {} retransmits", attempt.syn_retransmits));
    }
    parts.extend(attempt.verdict.as_ref().and_then(|verdict| verdict_note(attempt.outcome, verdict)));
    parts.extend(attempt.enforcement_lag.map(lag_note));
    f.write_str(&parts.join(" "))
}

/// Returns what the enforcer logged.
fn enforcer_note(statement: Option<EnforcerStatement>, policy: Option<&str>) -> Option<String> {
    match statement? {
        EnforcerStatement::Logged => Some(match policy {
            Some(policy) => format!("[logged by the enforcer: {policy}]"),
            None => "[logged by the enforcer]".to_owned(),
        }),
    }
}

/// Returns which change enforcement lags behind.
fn lag_note(EnforcementLag { since, age_us }: EnforcementLag) -> String {
    let change = match since {
        LagSince::Pod => "a pod got its address",
        LagSince::Policy => "the policies changed",
    };
    format!("[enforcement lags: {} after {change}]", latency(age_us))
}

/// Returns why a RST was sent, or that it is not the kernel's, as far as is known.
fn sender(origin: &RstOrigin) -> Option<ArcStr> {
    match origin.sent_by {
        Some(SentBy::KernelTcp) => origin.reason.clone(),
        Some(SentBy::NotKernelTcp) => Some(literal!("not from the kernel's TCP")),
        None => None,
    }
}

/// Returns the policies' verdict where it adds to the outcome.
fn verdict_note(outcome: Outcome, verdict: &FlowVerdict) -> Option<String> {
    match (verdict.decision, outcome) {
        (Decision::Deny, Outcome::Established) => Some(format!("although {}", verdict.explanation)),
        (Decision::Deny, _) => Some(format!("- {}", verdict.explanation)),
        (Decision::Allow, Outcome::Rejected) => Some("although the policies allow it".to_owned()),
        (Decision::Allow | Decision::Unknown, _) => None,
    }
}

fn latency(us: u64) -> String {
    match us {
        0..100 => format!("{us}us"),
        100..1_000_000 => format!("{:.1}ms", us as f64 / 1e3),
        _ => format!("{:.2}s", us as f64 / 1e6),
    }
}

/// Cuts the middle: the beginning holds the namespace and the workload, and the end distinguishes pods.
fn shorten(text: &str, max: usize) -> String {
    let length = text.chars().count();
    if length <= max {
        return text.to_owned();
    }
    let tail = max / 3;
    let head = max - 2 - tail;
    let chars = text.chars();
    chars.clone().take(head).chain("..".chars()).chain(chars.skip(length - tail)).collect()
}

#[cfg(test)]
mod tests;
