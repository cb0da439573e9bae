//! The drop tracepoint, which sees the whole machine.

use aya::Ebpf;
use aya::programs::RawTracePoint;
use aya::programs::links::FdLink;

use crate::probes::error::ProbeError;
use crate::probes::pins::Pins;

/// The name of the pinned attachment.
const PIN: &str = "drops";
const DROPS: &str = "flow_obs_drops";

/// Has the program verified.
pub(super) fn load(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    program(ebpf)?.load().map_err(ProbeError::program(DROPS))
}

/// Attaches the program, which must have been loaded. The kernel can't replace a program at a tracepoint: that of an earlier
/// agent goes first, because two would count each drop twice. Drops in the moment between are not counted.
pub(super) fn attach(ebpf: &mut Ebpf, pins: Option<&Pins>) -> Result<(), ProbeError> {
    let program = program(ebpf)?;
    if let Some(pins) = pins {
        pins.unpin(PIN);
    }
    let attach =
        |program: &mut RawTracePoint| program.attach("kfree_skb").map_err(ProbeError::program(DROPS));
    let id = attach(program)?;
    if let Some(pins) = pins {
        let link = program.take_link(id).map_err(ProbeError::program(DROPS))?;
        if !pins.keep(PIN, FdLink::from(link)) {
            attach(program)?;
        }
    }
    Ok(())
}

fn program(ebpf: &mut Ebpf) -> Result<&mut RawTracePoint, ProbeError> {
    let program = ebpf.program_mut(DROPS).ok_or(ProbeError::NoProgram(DROPS))?;
    program.try_into().map_err(ProbeError::program(DROPS))
}
