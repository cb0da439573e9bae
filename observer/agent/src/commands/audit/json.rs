//! The report as one JSON object. Fields may be added; the version rises with changes that would mislead readers.

use std::io::{self, Write};

use flow_policy::audit::{AuditFinding, FlowGroup, Ignored, Judged, Level, Nodes, Place, Report, RuleId};
use serde::Serialize;

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    /// Is true when there are findings: the exit code is 1. Otherwise it also depends on `unjudged` and `unknown_flows`.
    found: bool,
    findings: Vec<Finding<'a>>,
    ignored: Vec<IgnoredFinding<'a>>,
    /// The flows without a verdict; unless that is allowed, the exit code is not 0 with any.
    unknown_flows: &'a [FlowGroup],
    /// What could not be judged; unless it is allowed, the exit code is not 0 with any.
    unjudged: Vec<NotJudged<'a>>,
    not_run: Vec<NotRun<'a>>,
    notes: &'a [String],
    policies: usize,
    /// The judged flows; null without any.
    flows: Option<Judged>,
    /// The nodes whose flows those are, and those that are missing; null without observed flows.
    nodes: Option<&'a Nodes>,
}

/// The place of an object.
#[derive(Default, Serialize)]
struct At<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The address in a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
}

#[derive(Serialize)]
struct NotJudged<'a> {
    #[serde(flatten)]
    at: At<'a>,
    object: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct Finding<'a> {
    rule: RuleId,
    level: Level,
    #[serde(flatten)]
    at: At<'a>,
    object: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<&'a FlowGroup>,
}

#[derive(Serialize)]
struct IgnoredFinding<'a> {
    #[serde(flatten)]
    finding: Finding<'a>,
    reason: &'a str,
}

#[derive(Serialize)]
struct NotRun<'a> {
    rule: RuleId,
    why: &'a str,
}

/// Writes the report.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let document = Document {
        version: VERSION,
        found: report.found_something(),
        findings: report.findings.iter().map(finding).collect(),
        ignored: report
            .ignored
            .iter()
            .map(|Ignored { finding: f, reason }| IgnoredFinding { finding: finding(f), reason })
            .collect(),
        unknown_flows: &report.unknown,
        unjudged: report
            .unjudged
            .iter()
            .map(|u| NotJudged { at: At::of(u.place.as_ref()), object: &u.object, why: &u.why })
            .collect(),
        not_run: report.not_run.iter().map(|n| NotRun { rule: n.rule, why: &n.why }).collect(),
        notes: &report.notes,
        policies: report.policies,
        flows: report.flows,
        nodes: report.nodes.as_ref(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn finding(finding: &AuditFinding) -> Finding<'_> {
    Finding {
        rule: finding.rule,
        level: finding.level,
        at: At::of(finding.place.as_ref()),
        object: &finding.object,
        message: &finding.message,
        flow: finding.flow.as_deref(),
    }
}

impl<'a> At<'a> {
    fn of(place: Option<&'a Place>) -> Self {
        let line = |line: usize| (line > 0).then_some(line);
        match place {
            Some(Place::File { file, line: at }) => {
                Self { file: Some(file), line: line(*at), resource: None }
            }
            Some(Place::Stdin { line: at }) => Self { file: Some("-"), line: line(*at), resource: None },
            Some(Place::Resource(address)) => Self { resource: Some(address), ..Self::default() },
            None => Self::default(),
        }
    }
}
