//! The tracepoint at which TCP announces the resets that it sends.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use aya::Ebpf;
use aya::programs::RawTracePoint;

use crate::probes::error::ProbeError;

const RESETS: &str = "flow_obs_resets";

/// The attached program.
pub(in crate::probes) struct Attached(OwnedFd);

/// Has the program verified and attached. It only notes what TCP announces, so that it may run before any interface is
/// followed: then no RST that is reported was sent before it.
pub(in crate::probes) fn attach(ebpf: &mut Ebpf) -> Result<Attached, ProbeError> {
    let program = ebpf.program_mut(RESETS).ok_or(ProbeError::NoProgram(RESETS))?;
    let program: &mut RawTracePoint = program.try_into().map_err(ProbeError::program(RESETS))?;
    program.load().map_err(ProbeError::program(RESETS))?;
    program.attach("tcp_send_reset").map_err(ProbeError::program(RESETS))?;
    let fd = program.fd().map_err(ProbeError::program(RESETS))?;
    let fd = fd.as_fd().try_clone_to_owned();
    fd.map(Attached).map_err(|error| ProbeError::program(RESETS)(error.into()))
}

impl Attached {
    /// Returns how many announcements the program has missed: the kernel leaves it out where it would interrupt itself.
    /// `None` if the kernel doesn't say. See `bpf_prog_show_fdinfo` and `__bpf_trace_run` in
    /// <https://github.com/torvalds/linux/tree/v6.12/kernel>.
    pub(super) fn missed(&self) -> Option<u64> {
        missed(&fs::read_to_string(format!("/proc/self/fdinfo/{}", self.0.as_raw_fd())).ok()?)
    }
}

fn missed(info: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests;
