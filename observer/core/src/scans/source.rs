//! The targets that one source tried lately, and the scan that they are.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use flow_model::finding::Evidence;
use flow_model::flow::Outcome;
use flow_model::record::{Attempt, Endpoint};
use jiff::{SignedDuration, Timestamp};

use crate::scans::config::ScanConfig;
use crate::scans::text;

/// The number of the newest attempts that are kept as evidence.
const MAX_EXAMPLES: usize = 5;

/// The result of the newest attempt at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    /// The target answered, and the source took that back without connecting.
    HalfOpen,
    Refused,
    Rejected,
    Unanswered,
}

/// A target, as the source addressed it.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    ip: IpAddr,
    port: u16,
    first: Timestamp,
    newest: Timestamp,
    end: End,
}

/// Counts the targets of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) open: usize,
    pub(super) half_open: usize,
    pub(super) refused: usize,
    pub(super) rejected: usize,
    pub(super) unanswered: usize,
    /// Hosts and ports of those that are not open.
    pub(super) hosts: usize,
    pub(super) ports: usize,
    /// The port, where there is only one.
    pub(super) port: Option<u16>,
}

/// Keeps one source with its newest targets, the newest last.
#[derive(Debug)]
pub(super) struct Source {
    targets: VecDeque<Tried>,
    scan: Option<Scan>,
}

/// A scan that goes on.
#[derive(Debug)]
pub(super) struct Scan {
    /// The last time at which there were enough targets.
    enough: Timestamp,
    newest: Timestamp,
    count: u64,
    peak: Tally,
    /// Targets that gave way to newer ones.
    more: u64,
    src: Endpoint,
    dst: Endpoint,
    outside: bool,
    examples: VecDeque<Evidence>,
}

impl Tried {
    pub(super) fn new(attempt: &Attempt, at: Timestamp) -> Self {
        let end = match attempt.outcome {
            Outcome::Established => End::Open,
            Outcome::Refused => End::Refused,
            Outcome::Rejected => End::Rejected,
            Outcome::Unanswered => End::Unanswered,
        };
        Self { ip: attempt.dst.ip.to_canonical(), port: attempt.dst.port, first: at, newest: at, end }
    }

    pub(super) fn is_same_target(&self, other: &Self) -> bool {
        (self.ip, self.port) == (other.ip, other.port)
    }
}

impl Tally {
    /// Returns how many targets are not open.
    pub(super) fn closed(&self) -> usize {
        self.half_open + self.refused + self.rejected + self.unanswered
    }

    fn add(&mut self, end: End) {
        *match end {
            End::Open => &mut self.open,
            End::HalfOpen => &mut self.half_open,
            End::Refused => &mut self.refused,
            End::Rejected => &mut self.rejected,
            End::Unanswered => &mut self.unanswered,
        } += 1;
    }

    fn is_scan(&self, config: &ScanConfig) -> bool {
        self.closed() >= config.targets() && self.closed() >= 2 * self.open
    }
}

impl Source {
    pub(super) fn new(first: Tried) -> Self {
        Self { targets: VecDeque::from([first]), scan: None }
    }

    pub(super) fn scan(&self) -> Option<&Scan> {
        self.scan.as_ref()
    }

    /// Adds an attempt. Returns the time of a scan's first attempt, if this one makes it a scan.
    pub(super) fn add(&mut self, tried: Tried, attempt: &Attempt, config: &ScanConfig) -> Option<Timestamp> {
        let (now, end) = (tried.newest, tried.end);
        self.remember(tried, config);
        if self.scan.is_none() {
            let tally = self.tally(now, config, |target| target.first);
            if tally.is_scan(config) {
                self.scan = Some(Scan::new(attempt, tally, now));
                let scan = self.scan.as_mut()?;
                // Every attempt at a target that is counted failed at least once.
                scan.count = u64::try_from(tally.closed()).unwrap_or(u64::MAX);
                scan.show(attempt, now);
                return self.closed_since(now, config);
            }
        } else if end != End::Open
            && let Some(scan) = &mut self.scan
        {
            scan.count = scan.count.saturating_add(1);
            scan.show(attempt, now);
        }
        None
    }

    /// Notes that the source reset the answer of this target.
    pub(super) fn gave_up(&mut self, dst: &Endpoint) {
        let (ip, port) = (dst.ip.to_canonical(), dst.port);
        let same = |target: &&mut Tried| (target.ip, target.port) == (ip, port);
        if let Some(target) = self.targets.iter_mut().rev().find(same) {
            target.end = End::HalfOpen;
        }
    }

    /// Ends the scan, and returns true, if there have been too few targets for long enough.
    pub(super) fn is_over(&mut self, now: Timestamp, config: &ScanConfig) -> bool {
        if self.scan.is_none() {
            return false;
        }
        let tally = self.tally(now, config, |target| target.newest);
        let Some(scan) = &mut self.scan else { return false };
        if tally.is_scan(config) {
            scan.enough = now;
            if tally.closed() >= scan.peak.closed() {
                scan.peak = tally;
            }
        }
        let over = now.duration_since(scan.enough).abs() >= config.quiet;
        if over {
            self.scan = None;
        }
        over
    }

    fn remember(&mut self, mut tried: Tried, config: &ScanConfig) {
        let (now, keep) = (tried.newest, config.keep);
        // Both bounds, because the clock may have been set.
        self.targets.retain(|target| is_within(target.newest, now, keep));
        if let Some(place) = self.targets.iter().position(|target| target.is_same_target(&tried))
            && let Some(known) = self.targets.remove(place)
        {
            tried.first = known.first;
        }
        self.targets.push_back(tried);
        while self.targets.len() > config.max_targets() {
            self.targets.pop_front();
            if let Some(scan) = &mut self.scan {
                scan.more = scan.more.saturating_add(1);
            }
        }
    }

    /// Counts the targets that are not open by the time that `of` gives, and the open ones by their newest attempt.
    fn tally(&self, now: Timestamp, config: &ScanConfig, of: impl Fn(&Tried) -> Timestamp) -> Tally {
        let mut tally = Tally::default();
        let (mut hosts, mut ports) = (BTreeSet::new(), BTreeSet::new());
        for target in &self.targets {
            let at = if target.end == End::Open { target.newest } else { of(target) };
            if !is_within(at, now, config.window) {
                continue;
            }
            tally.add(target.end);
            if target.end != End::Open {
                hosts.insert(target.ip);
                ports.insert(target.port);
            }
        }
        (tally.hosts, tally.ports) = (hosts.len(), ports.len());
        tally.port = ports.first().copied().filter(|_| ports.len() == 1);
        tally
    }

    fn closed_since(&self, now: Timestamp, config: &ScanConfig) -> Option<Timestamp> {
        let closed = self.targets.iter().filter(|target| target.end != End::Open);
        closed.map(|target| target.first).filter(|first| is_within(*first, now, config.window)).min()
    }
}

impl Scan {
    fn new(attempt: &Attempt, peak: Tally, now: Timestamp) -> Self {
        let src = attempt.src.clone();
        let outside = src.owner().is_none() && src.node.is_none() && attempt.verdict.is_some();
        let dst = attempt.dst.clone();
        Self {
            enough: now,
            newest: now,
            count: 0,
            peak,
            more: 0,
            src,
            dst,
            outside,
            examples: VecDeque::new(),
        }
    }

    pub(super) fn newest(&self) -> Timestamp {
        self.newest
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn peak(&self) -> &Tally {
        &self.peak
    }

    pub(super) fn more(&self) -> u64 {
        self.more
    }

    pub(super) fn src(&self) -> &Endpoint {
        &self.src
    }

    pub(super) fn dst(&self) -> &Endpoint {
        &self.dst
    }

    pub(super) fn is_from_outside(&self) -> bool {
        self.outside
    }

    pub(super) fn examples(&self) -> impl Iterator<Item = &Evidence> {
        self.examples.iter()
    }

    fn show(&mut self, attempt: &Attempt, now: Timestamp) {
        self.newest = self.newest.max(now);
        self.src = attempt.src.clone();
        self.dst = attempt.dst.clone();
        if self.examples.len() == MAX_EXAMPLES {
            self.examples.pop_front();
        }
        self.examples.push_back(Evidence { time: now, text: text::example(attempt) });
    }
}

fn is_within(at: Timestamp, now: Timestamp, time: SignedDuration) -> bool {
    now.duration_since(at).abs() <= time
}
