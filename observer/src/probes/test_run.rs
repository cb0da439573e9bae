//! The classifiers through `BPF_PROG_TEST_RUN`: any packet, no interface. For benchmarks and tests.
//!
//! See <https://docs.kernel.org/bpf/bpf_prog_run.html>. The kernel wants at least 14 bytes.

use std::time::Duration;

use aya::Ebpf;
use aya::programs::{TestRun as _, TestRunOptions};

use super::drain::Drain;
use super::load::{CLASSIFIERS, Loaded, Settings, classifier, load};
use super::{ProbeError, reasons::Reasons};
use crate::core::input::{Counts, Input, PairDelta};

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
            Self::L3UplinkIn => CLASSIFIERS[4],
        }
    }
}

/// Loaded programs and their maps, attached to nothing.
pub struct TestBed {
    ebpf: Ebpf,
    drain: Drain,
}

impl TestBed {
    /// Loads the object.
    ///
    /// # Errors
    /// When the kernel refuses it, or the caller may not load programs.
    pub fn new(settings: &Settings) -> Result<Self, ProbeError> {
        let Loaded { mut ebpf, .. } = load(settings, Err("not needed".into()))?;
        classifier(&mut ebpf, "flow_obs_empty")?.load().map_err(ProbeError::program("flow_obs_empty"))?;
        let drain = Drain::new(&mut ebpf)?;
        Ok(Self { ebpf, drain })
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
}
