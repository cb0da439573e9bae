//! A burst as a finding.

use flow_model::finding::{Evidence, FindingKind, Severity};
use jiff::Timestamp;

use crate::bursts::burst::Burst;
use crate::bursts::config::BurstConfig;
use crate::bursts::server::Server;
use crate::bursts::text;
use crate::bursts::watch::Watch;
use crate::detected::Raised;

/// Returns the finding of a burst that goes on. It has a cause once that can't change any more.
pub(super) fn raised(
    server: &Server,
    burst: &Burst,
    watch: &Watch,
    config: &BurstConfig,
    now: Timestamp,
) -> Raised {
    let services = watch.scene().services;
    let resets = text::resets(&burst.peak, config.window_seconds());
    let because = text::because(burst.cause.as_ref(), burst.started);
    let newest = watch.examples.back();
    let vip = server.vip().or_else(|| burst.cause.as_ref().and_then(|cause| cause.vip));
    Raised {
        kind: FindingKind::RstBurst,
        subject: server.subject(),
        last_seen: burst.newest,
        severity: Severity::Warning,
        summary: format!("{}: {resets}; {because}", text::server(server, &services)),
        src: newest.map(|example| example.src.clone()),
        dst: newest.map(|example| example.dst.clone()),
        vip: vip.map(|vip| arcstr::format!("{vip}")),
        policies: Vec::new(),
        nodes: Vec::new(),
        cause: burst.is_settled(now).then(|| text::cause(burst.cause.as_ref(), burst.started).into()),
        evidence: evidence(burst, watch, resets),
        count: burst.total,
    }
}

/// Returns the cause, how the burst began, and the newest resets.
fn evidence(burst: &Burst, watch: &Watch, resets: String) -> Vec<Evidence> {
    let cause = burst.cause.iter().map(|cause| Evidence { time: cause.at, text: cause.what.clone() });
    let began = Evidence { time: burst.started, text: resets };
    let examples =
        watch.examples.iter().map(|example| Evidence { time: example.time, text: text::example(example) });
    cause.chain([began]).chain(examples).collect()
}
