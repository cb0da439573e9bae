//! Every family, and `docs/METRICS.md` made from their descriptions.

use std::fmt::Write;

use crate::sink::metrics::spec::{Kind, Label, Spec, Values};
use crate::sink::metrics::{
    active, agent, bursts, checks, enforcement, handshakes, http, latent, otlp, pairs, process, states, vips,
};

const HEAD: &str = "# Metrics

This file lists every family of `/metrics`. It is generated from the definitions in `observer/agent/src/sink/metrics/`.
After a change there, `UPDATE_DOCS=1 cargo test -p observer --lib metrics::catalogue` writes it again.

A **pair** is a set of values of the labels `src_namespace`, `src_workload`, `dst_namespace`, `dst_workload`, `dst_port`
and `vantage`. A workload is the Deployment, StatefulSet or other owner of a pod. Where no workload is known, the Service
addressed takes its place, and then the pod. `_host` stands for nodes, `_external` for addresses outside the cluster.
Beyond `--max-series` (2,000) pairs, new ones are counted together in one series whose labels are `_other` and whose port
is 0, so sums stay exact. The series of a pair disappear 15 minutes after one of its workloads is gone, and after 24 hours
without an update.

`increase()` misses the first step of a series that did not exist before. Families that \"start at 0\" avoid that.
";

/// Headings of the document, and the families below each.
pub(super) const SECTIONS: [(&str, &[&[Spec]]); 5] = [
    ("Connections", &[&pairs::FAMILIES, &handshakes::FAMILIES]),
    (
        "Findings and policies",
        &[&agent::FINDINGS, &active::FAMILIES, &latent::FAMILIES, &enforcement::FAMILIES],
    ),
    ("Load-balancer addresses and resets", &[&vips::FAMILIES, &bursts::FAMILIES]),
    ("Synthetic checks", &[&checks::FAMILIES]),
    (
        "The agent",
        &[&agent::FAMILIES, &states::FAMILIES, &http::FAMILIES, &otlp::FAMILIES, &process::FAMILIES],
    ),
];

/// Returns the text of `docs/METRICS.md`.
#[must_use]
pub fn document() -> String {
    let mut text = HEAD.to_owned();
    for (heading, groups) in SECTIONS {
        text.extend(["\n## ", heading, "\n"]);
        groups.iter().copied().flatten().for_each(|spec| describe(spec, &mut text));
    }
    text
}

fn describe(spec: &Spec, text: &mut String) {
    let labels: Vec<String> = spec.labels.iter().copied().flatten().map(label).collect();
    let labels = if labels.is_empty() { "none".to_owned() } else { labels.join("; ") };
    let changes = if spec.kind == Kind::Gauge { "Changes" } else { "Rises" };
    let Spec { kind, help, unit, changes: when, bound, .. } = spec;
    let name = spec.full_name();
    // Writing to a String does not fail.
    writeln!(text, "\n### `{name}`\n\n{help}.\n\n- Type: {kind}, unit: {unit}\n- Labels: {labels}").ok();
    writeln!(text, "- {changes}: {when}\n- Bound: {bound}").ok();
}

fn label(label: &Label) -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let values = match label.values {
        Values::OneOf(names) => list(names),
        Values::OneOfOrOther(names) => format!("{}, `_other`", list(names)),
        Values::Text(text) => text.to_owned(),
    };
    format!("`{}` ({values})", label.name)
}

#[cfg(test)]
mod tests;
