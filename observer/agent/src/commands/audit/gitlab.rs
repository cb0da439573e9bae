//! The report as GitLab's Code Quality report, which merge requests show at the changed lines:
//! <https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format>.

use std::io::{self, Write};

use flow_policy::audit::{Level, Place, Report};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::commands::audit::text::{reason, sentence, unsure};

/// The path of what is in no file of the repository. The format demands one.
const NOWHERE: &str = "flow-observer";

/// Writes the report. What was opted out of is left out: the format has no place for it.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let found = report.findings.iter().map(|finding| {
        issue(finding.rule.as_str(), severity(finding.level), finding.place.as_ref(), &sentence(finding))
    });
    let unjudged = report
        .unjudged
        .iter()
        .map(|unjudged| issue("not-judged", "major", unjudged.place.as_ref(), &reason(unjudged)));
    let flows = unsure(&report.unknown).map(|flow| issue("flow-not-judged", "major", None, &flow));
    let issues: Vec<_> = found.chain(unjudged).chain(flows).collect();
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::Error => "blocker",
        Level::Warning => "major",
        Level::Note => "info",
    }
}

fn issue(rule: &str, severity: &str, place: Option<&Place>, message: &str) -> Value {
    let (path, line, description) = match place {
        Some(Place::File { file, line }) => (file.as_str(), (*line).max(1), message.to_owned()),
        Some(elsewhere) => (NOWHERE, 1, format!("{elsewhere}: {message}")),
        None => (NOWHERE, 1, message.to_owned()),
    };
    json!({
        "check_name": rule,
        "description": description,
        "fingerprint": fingerprint(&[rule, path, &description]),
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line}},
    })
}

/// Returns what tells GitLab that an issue is the same as in an earlier report. Lines may move, so they don't count.
fn fingerprint(parts: &[&str]) -> String {
    let digest = digest(&SHA256, parts.join("\0").as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
