//! The sentences of a scan.

use std::net::SocketAddr;

use flow_model::record::{Attempt, Endpoint};

use crate::scans::config::ScanConfig;
use crate::scans::source::{Scan, Tally};

/// Returns "web/scanner-0 (10.42.0.10) tried 30 ports of one host that were not open within 60 s, as a port scan does: 28 refused, 2
/// unanswered, 1 open".
pub(super) fn summary(scan: &Scan, config: &ScanConfig) -> String {
    let (peak, seconds) = (scan.peak(), config.window.as_secs());
    let more = match scan.more() {
        0 => String::new(),
        n => format!("; {n} earlier targets are counted no longer"),
    };
    format!(
        "{} tried {} within {seconds} s, as a port scan does: {}{more}",
        source(scan.src()),
        targets(peak),
        ends(peak)
    )
}

/// Returns an attempt as evidence.
pub(super) fn example(attempt: &Attempt) -> String {
    let Attempt { src, dst, outcome, .. } = attempt;
    format!("{} -> {} {outcome}", SocketAddr::new(src.ip, src.port), SocketAddr::new(dst.ip, dst.port))
}

fn source(src: &Endpoint) -> String {
    match (&src.namespace, &src.pod, &src.node) {
        (Some(namespace), Some(pod), _) => format!("{namespace}/{pod} ({})", src.ip),
        // The node's address is also that of what it masquerades.
        (_, _, Some(node)) => format!("node {node} ({}), or who reaches others through it,", src.ip),
        _ => src.ip.to_string(),
    }
}

fn targets(peak: &Tally) -> String {
    match (peak.hosts, peak.ports, peak.port) {
        (1, ports, _) => format!("{ports} ports of one host that were not open"),
        (hosts, _, Some(port)) => format!("port {port} of {hosts} hosts"),
        (hosts, ports, _) => format!("{} targets ({hosts} hosts, {ports} ports)", peak.closed()),
    }
}

fn ends(peak: &Tally) -> String {
    let named = [
        (peak.refused, "refused"),
        (peak.rejected, "rejected"),
        (peak.unanswered, "unanswered"),
        (peak.half_open, "answered, but given up by the source"),
        (peak.open, "open"),
    ];
    let told = named.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
    told.collect::<Vec<_>>().join(", ")
}
