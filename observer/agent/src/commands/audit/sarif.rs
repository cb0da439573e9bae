//! The report as SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::io::{self, Write};

use flow_policy::audit::{AuditFinding, Ignored, Place, Report, RuleId, Unjudged};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::commands::audit::text::{reason, sentence, unsure};

/// The schema of the format.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Writes the report.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &log(report))?;
    writeln!(out)
}

fn log(report: &Report) -> Value {
    let found = report.findings.iter().map(|finding| result(finding, None));
    let ignored = report.ignored.iter().map(|Ignored { finding, reason }| result(finding, Some(reason)));
    let not_run = report.not_run.iter().map(|n| format!("{} was not checked: {}", n.rule.as_str(), n.why));
    let notes =
        not_run.chain(report.notes.iter().cloned()).chain([crate::commands::audit::text::summary(report)]);
    let notes = notes.map(|text| json!({"level": "note", "message": {"text": text}}));
    let flows = unsure(&report.unknown).map(|text| not_judged(&text));
    let notes: Vec<_> = report.unjudged.iter().map(unjudged).chain(flows).chain(notes).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "flow-observer audit",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": RuleId::ALL.iter().map(rule).collect::<Vec<_>>(),
            }},
            "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notes}],
            "results": found.chain(ignored).collect::<Vec<_>>(),
        }],
    })
}

/// Returns what is not judged as a notification: it is no fault, so it is no result.
fn unjudged(unjudged: &Unjudged) -> Value {
    let mut notification = not_judged(&reason(unjudged));
    if let Some(place) = &unjudged.place {
        notification["locations"] = json!([location(place)]);
    }
    notification
}

fn not_judged(text: &str) -> Value {
    json!({"level": "warning", "descriptor": {"id": "not-judged"}, "message": {"text": text}})
}

fn rule(rule: &RuleId) -> Value {
    json!({
        "id": rule.as_str(),
        "shortDescription": {"text": rule.about()},
        "defaultConfiguration": {"level": rule.level().as_str()},
    })
}

fn result(finding: &AuditFinding, ignored: Option<&str>) -> Value {
    let mut result = json!({
        "ruleId": finding.rule.as_str(),
        "ruleIndex": RuleId::ALL.iter().position(|rule| *rule == finding.rule),
        "level": finding.level.as_str(),
        "message": {"text": sentence(finding)},
    });
    if let Some(place) = &finding.place {
        result["locations"] = json!([location(place)]);
    }
    // An empty list would mean that there are no suppressions, and GitHub shows only results without the list.
    if let Some(reason) = ignored {
        result["suppressions"] = json!([{"kind": "inSource", "status": "accepted", "justification": reason}]);
    }
    result
}

fn location(place: &Place) -> Value {
    match place {
        Place::File { file, line } => {
            let region = json!({"startLine": (*line).max(1)});
            json!({"physicalLocation": {"artifactLocation": {"uri": uri(file)}, "region": region}})
        }
        Place::Stdin { line } => logical(&format!("standard input, line {line}"), "object"),
        Place::Resource(address) => logical(address, "resource"),
    }
}

fn logical(name: &str, kind: &str) -> Value {
    json!({"logicalLocations": [{"fullyQualifiedName": name, "kind": kind}]})
}

/// Bytes that a path in a URI may hold as they are.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// Returns a reference relative to the repository, or an absolute one for a file elsewhere.
fn uri(file: &str) -> String {
    let scheme = if file.starts_with('/') { "file://" } else { "" };
    format!("{scheme}{}", utf8_percent_encode(file, PATH))
}
