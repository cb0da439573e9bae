//! The drop tracepoint, which sees the whole machine.

use aya::Ebpf;
use aya::programs::RawTracePoint;

use crate::probes::error::ProbeError;

const DROPS: &str = "flow_obs_drops";

/// Has the program verified.
pub(super) fn load(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    program(ebpf)?.load().map_err(ProbeError::program(DROPS))
}

/// Attaches the program, which must have been loaded.
pub(super) fn attach(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    program(ebpf)?.attach("kfree_skb").map(drop).map_err(ProbeError::program(DROPS))
}

fn program(ebpf: &mut Ebpf) -> Result<&mut RawTracePoint, ProbeError> {
    let program = ebpf.program_mut(DROPS).ok_or(ProbeError::NoProgram(DROPS))?;
    program.try_into().map_err(ProbeError::program(DROPS))
}
