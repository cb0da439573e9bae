//! Loads the embedded object: settings in, programs verified, nothing attached yet.

use aya::maps::{MapData, RingBuf};
use aya::programs::{RawTracePoint, SchedClassifier};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use observer_abi::REASON_BITS;
use tracing::warn;

use crate::probes::ProbeError;
use crate::probes::btf::KernelTypes;
use crate::probes::reasons::Reasons;
use crate::probes::vips::Claims;

pub(super) static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/flow-observer-probes"));

/// The classifiers, in the order of [`observer_abi::hook`], Ethernet first.
pub(super) const CLASSIFIERS: [&str; 6] = [
    "flow_obs_p_out",
    "flow_obs_p_in",
    "flow_obs_u_in",
    "flow_obs_u_out",
    "flow_obs_u3_in",
    "flow_obs_u3_out",
];
const DROPS: &str = "flow_obs_drops";

/// Sizes and switches that users may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Pairs the kernel can count between two drains.
    pub pair_entries: u32,
    /// Size of the event ring in bytes: a power of two of pages.
    pub ring_bytes: u32,
    /// The probes' own log: 0 is off, 5 is trace.
    pub log_level: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pair_entries: 16_384, ring_bytes: 2 << 20, log_level: 0 }
    }
}

/// A loaded object. Dropping it takes every program out of the kernel.
pub struct Loaded {
    pub(super) ebpf: Ebpf,
    pub(super) ring: RingBuf<MapData>,
    pub(super) claims: Claims,
    pub(super) reasons: Reasons,
    /// Whether the drop probe is attached; if not, why.
    pub drops: Result<(), String>,
}

/// Loads and verifies. The required classifiers must load; the drop probe degrades with its reason.
///
/// # Errors
/// When the kernel refuses the object or one of the classifiers.
pub fn load(settings: &Settings, types: Result<KernelTypes, String>) -> Result<Loaded, ProbeError> {
    let reasons = types.as_ref().map_or_else(|_| Reasons::default(), |types| Reasons::new(types.clone()));
    let mut ebpf = object(settings, types.as_ref().ok(), &reasons)?;
    for name in CLASSIFIERS {
        classifier(&mut ebpf, name)?.load().map_err(ProbeError::program(name))?;
    }
    // The ring is opened before anything is attached, or the first events would find no reader.
    let ring = ebpf.take_map("EVENTS").ok_or(ProbeError::NoMap("EVENTS"))?;
    let ring = RingBuf::try_from(ring).map_err(ProbeError::map("EVENTS"))?;
    let claims = Claims::new(&ebpf)?;
    if settings.log_level > 0 {
        crate::probes::tasks::forward_log(&mut ebpf);
    }
    Ok(Loaded { ebpf, ring, claims, reasons, drops: types.map(|_| ()) })
}

impl Loaded {
    /// Attaches the drop tracepoint, the last of the probes: what it says joins what the others saw.
    pub fn attach_drops(&mut self) {
        if self.drops.is_ok() {
            self.drops = attach_drops(&mut self.ebpf).map_err(|e| e.to_string());
        }
        if let Err(why) = &self.drops {
            warn!("drops are not reported: {why}");
        }
    }
}

fn object(settings: &Settings, types: Option<&KernelTypes>, reasons: &Reasons) -> Result<Ebpf, ProbeError> {
    let (head, network, protocol) =
        types.map_or((0, 0, 0), |t| (t.sk_buff.head, t.sk_buff.network_header, t.sk_buff.protocol));
    let reason_arg = types.and_then(|t| t.kfree_skb.reason_arg).unwrap_or(0);
    let interest: [u64; REASON_BITS / 64] = reasons.interest();
    let mut loader = EbpfLoader::new();
    loader
        // Rust programs have no CO-RE relocations; reading the kernel's BTF for them costs tens of megabytes.
        .btf(None)
        .override_global("SKB_HEAD", &head, true)
        .override_global("SKB_NETWORK_HEADER", &network, true)
        .override_global("SKB_PROTOCOL", &protocol, true)
        .override_global("REASON_ARG", &reason_arg, true)
        .override_global("REASONS", &interest, true)
        .override_global(aya_log::LEVEL, &settings.log_level, false)
        .map_max_entries("PAIRS_0", settings.pair_entries)
        .map_max_entries("PAIRS_1", settings.pair_entries)
        .map_max_entries("EVENTS", settings.ring_bytes);
    Ok(loader.load(OBJECT)?)
}

pub(super) fn classifier<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, ProbeError> {
    let program = ebpf.program_mut(name).ok_or(ProbeError::NoProgram(name))?;
    program.try_into().map_err(ProbeError::program(name))
}

fn attach_drops(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    let program = ebpf.program_mut(DROPS).ok_or(ProbeError::NoProgram(DROPS))?;
    let program: &mut RawTracePoint = program.try_into().map_err(ProbeError::program(DROPS))?;
    program.load().map_err(ProbeError::program(DROPS))?;
    program.attach("kfree_skb").map_err(ProbeError::program(DROPS))?;
    Ok(())
}
