//! The tracepoint at which TCP announces the resets that it sends.

use aya::Ebpf;
use aya::programs::RawTracePoint;

use crate::probes::error::ProbeError;

const RESETS: &str = "flow_obs_resets";

/// Has the program verified and attached. It only notes what TCP announces, so that it may run before any interface is
/// followed: then no RST that is reported was sent before it.
pub(in crate::probes) fn attach(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    let program = ebpf.program_mut(RESETS).ok_or(ProbeError::NoProgram(RESETS))?;
    let program: &mut RawTracePoint = program.try_into().map_err(ProbeError::program(RESETS))?;
    program.load().map_err(ProbeError::program(RESETS))?;
    program.attach("tcp_send_reset").map(drop).map_err(ProbeError::program(RESETS))
}
