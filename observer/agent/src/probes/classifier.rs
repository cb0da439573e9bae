//! The programs that see packets.

use aya::Ebpf;
use aya::programs::SchedClassifier;

use crate::probes::error::ProbeError;

/// A program for one direction of one kind of interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classifier {
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
    /// An uplink without an Ethernet header sends.
    L3UplinkOut,
}

impl Classifier {
    /// Begins the names of all.
    pub(super) const PREFIX: &str = "flow_obs_";

    /// Holds every classifier.
    pub const ALL: [Self; 6] =
        [Self::PodOut, Self::PodIn, Self::UplinkIn, Self::UplinkOut, Self::L3UplinkIn, Self::L3UplinkOut];

    /// Returns the program's name in the object and on a clsact qdisc.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PodOut => "flow_obs_p_out",
            Self::PodIn => "flow_obs_p_in",
            Self::UplinkIn => "flow_obs_u_in",
            Self::UplinkOut => "flow_obs_u_out",
            Self::L3UplinkIn => "flow_obs_u3_in",
            Self::L3UplinkOut => "flow_obs_u3_out",
        }
    }
}

/// Returns a classifier of the object by its name.
pub(super) fn program<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, ProbeError> {
    let program = ebpf.program_mut(name).ok_or(ProbeError::NoProgram(name))?;
    program.try_into().map_err(ProbeError::program(name))
}
