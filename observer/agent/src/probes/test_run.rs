//! The classifiers through `BPF_PROG_TEST_RUN`: any packet, no interface. For benchmarks and tests.
//!
//! See <https://docs.kernel.org/bpf/bpf_prog_run.html>. The kernel wants at least 14 bytes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use aya::Ebpf;
use aya::programs::{TestRun as _, TestRunOptions};
use flow_model::flow::Counts;
use flow_model::input::{AnnouncementSeen, Input, PairDelta};

use crate::probes::ProbeError;
use crate::probes::clock::Clock;
use crate::probes::drain::Drain;
use crate::probes::held::Held;
use crate::probes::load::{CLASSIFIERS, Loaded, Settings, classifier, load};
use crate::probes::reasons::Reasons;
use crate::probes::ring::Reader;
use crate::probes::vips::{ClaimCounts, Vips};

/// A program to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classifier {
    /// Returns at once: what the others are compared with.
    Empty,
    /// A pod sends.
    PodOut,
    /// A pod receives.
    PodIn,
    /// An Ethernet uplink receives.
    UplinkIn,
    /// An Ethernet uplink sends.
    UplinkOut,
    /// An uplink without an Ethernet header receives.
    L3UplinkIn,
}

impl Classifier {
    fn name(self) -> &'static str {
        match self {
            Self::Empty => "flow_obs_empty",
            Self::PodOut => CLASSIFIERS[0],
            Self::PodIn => CLASSIFIERS[1],
            Self::UplinkIn => CLASSIFIERS[2],
            Self::UplinkOut => CLASSIFIERS[3],
            Self::L3UplinkIn => CLASSIFIERS[4],
        }
    }
}

/// Loaded programs and their maps, attached to nothing.
pub struct TestBed {
    ebpf: Ebpf,
    drain: Drain,
    held: Held,
    reader: Reader,
    vips: Vips,
}

impl TestBed {
    /// Loads the object.
    ///
    /// # Errors
    /// When the kernel refuses it, or the caller may not load programs.
    pub fn new(settings: &Settings) -> Result<Self, ProbeError> {
        let Loaded { mut ebpf, ring, claims, reasons, .. } = load(settings, Err("not needed".into()))?;
        classifier(&mut ebpf, "flow_obs_empty")?.load().map_err(ProbeError::program("flow_obs_empty"))?;
        let drain = Drain::new(&mut ebpf)?;
        let vips = Vips::from_ebpf(&mut ebpf)?;
        let held = Held::new(&mut ebpf)?;
        Ok(Self { ebpf, drain, held, reader: Reader::new(ring, reasons, claims), vips })
    }

    /// Runs a program `repeat` times on a packet: its verdict and the mean time of a run.
    ///
    /// # Errors
    /// When the kernel refuses the packet.
    pub fn run(
        &mut self,
        program: Classifier,
        packet: &[u8],
        repeat: u32,
    ) -> Result<(i32, Duration), ProbeError> {
        let name = program.name();
        let options = TestRunOptions { data_in: Some(packet), repeat, ..TestRunOptions::new() };
        let result =
            classifier(&mut self.ebpf, name)?.test_run(options).map_err(ProbeError::program(name))?;
        Ok((result.return_value.cast_signed(), result.duration))
    }

    /// What was counted since the last call.
    ///
    /// # Errors
    /// When a map can't be read.
    pub fn counted(&mut self) -> Result<Vec<PairDelta>, ProbeError> {
        let inputs = self.drain.take(&Reasons::default())?;
        let pairs = inputs
            .into_iter()
            .filter_map(|i| if let Input::Pairs { deltas } = i { Some(deltas) } else { None });
        Ok(pairs.flatten().filter(|d| d.counts != Counts::default()).collect())
    }

    /// Resets that came in and did not leave, and what they count.
    ///
    /// # Errors
    /// When the map can't be read.
    pub fn stranded(&mut self) -> Result<Vec<Input>, ProbeError> {
        self.held.take(Clock::read(), true)
    }

    /// The known VIPs.
    ///
    /// # Errors
    /// When the map refuses one.
    pub fn know(&mut self, vips: &BTreeSet<IpAddr>) -> Result<(), ProbeError> {
        self.vips.set(vips)
    }

    /// Announcements that the ring has since the last call.
    pub fn announced(&mut self) -> Vec<AnnouncementSeen> {
        let mut out = Vec::new();
        loop {
            let (batch, more) = self.reader.batch();
            out.extend(announcements(batch));
            if !more {
                return out;
            }
        }
    }

    /// Claims that the map has and no record told.
    ///
    /// # Errors
    /// When the map can't be read.
    pub fn missed(&mut self) -> Result<Vec<AnnouncementSeen>, ProbeError> {
        let claims = self.reader.claims();
        let newest =
            claims.read().map_err(|source| ProbeError::System { what: "the map of VIPs", source })?;
        Ok(announcements(claims.missed(&newest, Clock::read())).collect())
    }

    /// Announcements without a record since the last call.
    ///
    /// # Errors
    /// When the counters can't be read.
    pub fn unrecorded(&mut self) -> Result<ClaimCounts, ProbeError> {
        self.drain.unrecorded.take()
    }
}

fn announcements(inputs: Vec<Input>) -> impl Iterator<Item = AnnouncementSeen> {
    inputs.into_iter().filter_map(|i| if let Input::Announcement(seen) = i { Some(seen) } else { None })
}
