//! Port scans: one source that tries many ports or hosts in a short time, of which few answer.
//!
//! A scan is one finding. The failures of its attempts are part of it, and no findings of their own.
//!
//! What begins a scan are targets that are new to the source. A client that has lost many servers tries the old ones
//! again, and a client with many connections has more open targets than closed ones: neither is a scan.
//!
//! Memory is bounded: a source that tries one target after another is kept with its newest targets, and the others
//! only with one. So a flood of forged sources, each with one SYN, pushes out only its like.

mod config;
mod source;
mod text;

use std::net::IpAddr;
use std::num::NonZeroUsize;

use arcstr::ArcStr;
use flow_model::decision::Decision;
use flow_model::finding::{Evidence, FindingKind, FindingSource, Severity};
use flow_model::flow::{Phase, Side, Vantage};
use flow_model::record::{Attempt, Reset};
use jiff::Timestamp;
use lru::LruCache;

use self::source::{Scan, Source, Tried};
use crate::detected::{Detected, Raised};
use crate::facts::AttemptFacts;
use crate::growing;
use crate::subject::Subject;

pub use self::config::ScanConfig;

/// The largest number of sources of which only one target is known.
const MAX_SINGLE: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// The scans of one node. Feed it attempts, resets and ticks.
#[derive(Debug)]
pub struct Scans {
    config: ScanConfig,
    node: ArcStr,
    single: LruCache<IpAddr, Tried>,
    sources: LruCache<IpAddr, Source>,
    /// The findings that ended since the last tick.
    ended: Detected,
    /// Sources with several targets that gave way to others.
    forgotten: u64,
}

/// Tells that an attempt is part of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanning {
    /// The source of the scan.
    pub source: IpAddr,
    /// The time of the scan's first attempt, if this attempt makes it a scan: what was found since then is part of it.
    pub begins: Option<Timestamp>,
}

impl Scans {
    /// Returns the state before the first attempt on the node of this name.
    #[must_use]
    pub fn new(node: ArcStr, config: ScanConfig) -> Self {
        let max_sources = NonZeroUsize::new(config.max_sources).unwrap_or(NonZeroUsize::MIN);
        let (single, sources) = (growing::cache(MAX_SINGLE), growing::cache(max_sources));
        let ended = Detected::nothing(FindingSource::Scans);
        Self { config, node, single, sources, ended, forgotten: 0 }
    }

    /// Takes an attempt whose outcome is known. Returns the scan that it is part of.
    pub fn attempt(&mut self, facts: &AttemptFacts<'_>) -> Option<Scanning> {
        let attempt = facts.attempt;
        if self.is_probe(attempt) || is_denied(attempt) {
            return None;
        }
        let ip = attempt.src.ip.to_canonical();
        let tried = Tried::new(attempt, facts.time);
        let config = self.config;
        let source = self.source(ip, &tried)?;
        let begins = source.add(tried, attempt, &config);
        source.scan().map(|_| Scanning { source: ip, begins })
    }

    /// Takes a reset. A client that resets the answer to its SYN has not connected.
    pub fn reset(&mut self, reset: &Reset) {
        if (reset.by, reset.phase) == (Side::Client, Phase::Handshake)
            && let Some(source) = self.sources.peek_mut(&reset.src.ip.to_canonical())
        {
            source.gave_up(&reset.dst);
        }
    }

    /// Lets time pass, and returns the scans that go on.
    #[must_use]
    pub fn tick(&mut self, now: Timestamp) -> Detected {
        let mut detected = std::mem::replace(&mut self.ended, Detected::nothing(FindingSource::Scans));
        for (ip, source) in &mut self.sources {
            if source.is_over(now, &self.config) {
                let because = "it has tried no further ports or hosts since then";
                detected.end(FindingKind::PortScan, Subject::Client(*ip), because);
            } else if let Some(scan) = source.scan() {
                detected.raised.push(raised(*ip, scan, self.forgotten, &self.config));
            }
        }
        // The order of the table depends on who came last, and would make every report a different one.
        detected.raised.sort_by(|a, b| a.subject.cmp(&b.subject));
        detected
    }

    /// Returns what is kept of a source; `None` if this is its only target.
    fn source(&mut self, ip: IpAddr, tried: &Tried) -> Option<&mut Source> {
        if !self.sources.contains(&ip) {
            let first = self.single.pop(&ip).filter(|first| !first.is_same_target(tried));
            let Some(first) = first else {
                self.single.put(ip, tried.clone());
                return None;
            };
            if let Some((evicted, source)) = self.sources.push(ip, Source::new(first)) {
                self.forgotten += 1;
                if source.scan().is_some() {
                    let because = "forgotten: there are too many sources";
                    self.ended.end(FindingKind::PortScan, Subject::Client(evicted), because);
                }
            }
        }
        self.sources.get_mut(&ip)
    }

    /// Is true where this node tries its own pods: kubelet's probes fail on all pods while they start.
    fn is_probe(&self, attempt: &Attempt) -> bool {
        attempt.vantage == Vantage::Destination && attempt.src.node.as_ref() == Some(&self.node)
    }
}

/// Is true for what the policies refuse. After a change of policies, a client that restarts tries all its servers anew: that
/// is no scan, and must not be hidden by one.
fn is_denied(attempt: &Attempt) -> bool {
    attempt.verdict.as_ref().is_some_and(|verdict| verdict.decision == Decision::Deny)
}

fn raised(ip: IpAddr, scan: &Scan, forgotten: u64, config: &ScanConfig) -> Raised {
    let mut evidence: Vec<Evidence> = scan.examples().cloned().collect();
    let newest = scan.newest();
    if forgotten > 0 {
        let text =
            format!("{forgotten} other sources with several targets were forgotten: there were too many");
        evidence.push(Evidence { time: newest, text });
    }
    Raised {
        kind: FindingKind::PortScan,
        subject: Subject::Client(ip),
        last_seen: newest,
        // Scans from outside must not push aside what happens inside.
        severity: if scan.is_from_outside() { Severity::Info } else { Severity::Warning },
        summary: text::summary(scan, config),
        src: Some(scan.src().clone()),
        dst: Some(scan.dst().clone()),
        vip: None,
        policies: Vec::new(),
        nodes: Vec::new(),
        cause: None,
        evidence,
        count: scan.count(),
    }
}
