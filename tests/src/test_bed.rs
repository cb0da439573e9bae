//! Runs the classifiers with `BPF_PROG_TEST_RUN`: any packet, and no interface. For tests and benchmarks.
//!
//! See <https://docs.kernel.org/bpf/bpf_prog_run.html>. The kernel wants at least 14 bytes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use aya::programs::{TestRun as _, TestRunOptions};
use flow_model::flow::Counts;
use flow_model::input::{AnnouncementSeen, AttemptSeen, Input, PairDelta};
pub use observer::probes::Classifier;
use observer::probes::{self, ClaimCounts, Collector, Followed, Loaded, Settings, Vips};

/// The program that does nothing. The agent never loads it.
const EMPTY: &str = "flow_obs_empty";

/// Holds loaded programs and their maps, attached to nothing.
pub struct TestBed {
    loaded: Loaded,
    collector: Collector,
    vips: Vips,
    followed: Followed,
}

impl TestBed {
    /// Loads the object.
    ///
    /// # Errors
    /// Fails when the kernel refuses the object, or the caller may not load programs.
    pub fn new(settings: &Settings) -> Result<Self> {
        let mut loaded = probes::load(settings, Err("not needed".into()))?;
        loaded.classifier(EMPTY)?.load()?;
        let collector = Collector::new(&mut loaded)?;
        let vips = Vips::new(&mut loaded)?;
        let followed = Followed::new(&mut loaded)?;
        Ok(Self { loaded, collector, vips, followed })
    }

    /// Runs a program `repeat` times on a packet. Returns its verdict and the mean time of a run.
    ///
    /// # Errors
    /// Fails when the kernel refuses the packet.
    pub fn run(&mut self, program: Classifier, packet: &[u8], repeat: u32) -> Result<(i32, Duration)> {
        self.run_by_name(program.name(), packet, repeat)
    }

    /// Runs the program that returns at once: the others are compared with it.
    ///
    /// # Errors
    /// Fails when the kernel refuses the packet.
    pub fn run_empty(&mut self, packet: &[u8], repeat: u32) -> Result<(i32, Duration)> {
        self.run_by_name(EMPTY, packet, repeat)
    }

    fn run_by_name(&mut self, name: &'static str, packet: &[u8], repeat: u32) -> Result<(i32, Duration)> {
        let options = TestRunOptions { data_in: Some(packet), repeat, ..TestRunOptions::new() };
        let result = self.loaded.classifier(name)?.test_run(options)?;
        Ok((result.return_value.cast_signed(), result.duration))
    }

    /// Returns what was counted since the last call.
    ///
    /// # Errors
    /// Fails when a map can't be read.
    pub fn counted(&mut self) -> Result<Vec<PairDelta>> {
        let inputs = self.collector.counted()?;
        let pairs = inputs
            .into_iter()
            .filter_map(|i| if let Input::Pairs { deltas } = i { Some(deltas) } else { None });
        Ok(pairs.flatten().filter(|d| d.counts != Counts::default()).collect())
    }

    /// Returns the established and failed attempts since the last call: those in the ring, and those that have no records of
    /// their own.
    ///
    /// # Errors
    /// Fails when a map can't be read.
    pub fn attempts(&mut self) -> Result<(Vec<AttemptSeen>, Vec<AttemptSeen>)> {
        let mut ring = Vec::new();
        loop {
            let (batch, more) = self.loaded.reader().batch();
            ring.extend(attempts(batch));
            if !more {
                return Ok((ring, attempts(self.collector.counted()?).collect()));
            }
        }
    }

    /// Gives each established attempt a record of its own, as while somebody follows them.
    ///
    /// # Errors
    /// Fails when the map can't be written.
    pub fn follow(&mut self, yes: bool) -> Result<()> {
        Ok(self.followed.set(yes)?)
    }

    /// Returns resets that came in and did not leave, and their counts.
    ///
    /// # Errors
    /// Fails when the map can't be read.
    pub fn stranded(&mut self) -> Result<Vec<Input>> {
        Ok(self.collector.stranded(true)?)
    }

    /// Makes these the known VIPs.
    ///
    /// # Errors
    /// Fails when the map refuses an address.
    pub fn know(&mut self, vips: &BTreeSet<IpAddr>) -> Result<()> {
        Ok(self.vips.set(vips)?)
    }

    /// Returns the announcements in the ring since the last call.
    pub fn announced(&mut self) -> Vec<AnnouncementSeen> {
        let mut out = Vec::new();
        loop {
            let (batch, more) = self.loaded.reader().batch();
            out.extend(announcements(batch));
            if !more {
                return out;
            }
        }
    }

    /// Returns claims that the map has and no record reported.
    ///
    /// # Errors
    /// Fails when the map can't be read.
    pub fn missed(&mut self) -> Result<Vec<AnnouncementSeen>> {
        let reader = self.loaded.reader();
        let newest = reader.newest_claims()?;
        Ok(announcements(reader.missed_claims(&newest)).collect())
    }

    /// Returns the number of announcements without a record since the last call.
    ///
    /// # Errors
    /// Fails when the counters can't be read.
    pub fn unrecorded(&mut self) -> Result<ClaimCounts> {
        Ok(self.collector.unrecorded()?)
    }
}

fn attempts(inputs: Vec<Input>) -> impl Iterator<Item = AttemptSeen> {
    inputs.into_iter().filter_map(|i| if let Input::Attempt(seen) = i { Some(seen) } else { None })
}

fn announcements(inputs: Vec<Input>) -> impl Iterator<Item = AnnouncementSeen> {
    inputs.into_iter().filter_map(|i| if let Input::Announcement(seen) = i { Some(seen) } else { None })
}
