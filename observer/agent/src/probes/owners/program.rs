//! The tracepoints at which sockets tell of themselves.

use aya::Ebpf;
use aya::programs::RawTracePoint;

use crate::probes::error::ProbeError;

const PROGRAMS: [(&str, &str); 3] = [
    ("flow_obs_sockets", "inet_sock_set_state"),
    ("flow_obs_refused", "tcp_receive_reset"),
    ("flow_obs_repeated", "tcp_retransmit_skb"),
];

/// Has the programs verified and attached.
pub(in crate::probes) fn attach(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    for (name, tracepoint) in PROGRAMS {
        let program = ebpf.program_mut(name).ok_or(ProbeError::NoProgram(name))?;
        let program: &mut RawTracePoint = program.try_into().map_err(ProbeError::program(name))?;
        program.load().map_err(ProbeError::program(name))?;
        program.attach(tracepoint).map_err(ProbeError::program(name))?;
    }
    Ok(())
}
