//! Loads the embedded object: sets its globals, and has the programs verified. Nothing is attached yet.

use std::sync::Arc;

use aya::maps::RingBuf;
use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use observer_abi::{ListenerLayout, NamespaceLayout, REASON_BITS, ResetLayout, SocketLayout};
use parking_lot::Mutex;
use tracing::warn;

use crate::probes::btf::KernelTypes;
use crate::probes::claims::Claims;
use crate::probes::classifier::{self, Classifier};
use crate::probes::error::ProbeError;
use crate::probes::flows::Flows;
use crate::probes::pins::{PINNED, Pins};
use crate::probes::reasons::Reasons;
use crate::probes::ring::RingReader;
use crate::probes::settings::Settings;
use crate::probes::{drops, kernel_log, maps, namespaces, reset_reasons};

pub(super) static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/flow-observer-probes"));

/// A loaded object. Dropping it takes every program out of the kernel.
pub struct Loaded {
    pub(super) ebpf: Ebpf,
    pub(super) reader: RingReader,
    pub(super) reasons: Reasons,
    pub(super) flows: Arc<Mutex<Flows>>,
    /// Is an error with the reason when the drop probe can't be attached.
    pub(super) drops: Result<(), String>,
    /// Whether full accept queues are seen; `None` where the kernel's types are not known.
    pub(super) accept_queues: Option<bool>,
    /// The kernel's types, or the reason why they are not known.
    pub(super) types: Result<Arc<KernelTypes>, String>,
    /// Where maps and attachments outlast the agent.
    pub(super) pins: Option<Arc<Pins>>,
}

/// Loads the object and has the classifiers verified. They must load; the drop probe is optional.
///
/// # Errors
/// Fails when the kernel refuses the object or one of the classifiers.
pub fn load(settings: &Settings, types: Result<KernelTypes, String>) -> Result<Loaded, ProbeError> {
    let types = types.map(Arc::new);
    let reasons = types.as_ref().map_or_else(|_| Reasons::default(), |types| Reasons::new(Arc::clone(types)));
    let namespaces = types.as_ref().map_err(String::clone).and_then(|types| namespaces::layout(types));
    let verified = |listeners, pins: Option<&Pins>| {
        let known = (types.as_deref().ok(), namespaces.clone().unwrap_or_default(), listeners);
        classifiers(object(settings, known, &reasons, pins)?)
    };
    let ((mut ebpf, accept_queues), pins) =
        pinned(settings, |pins| with_listeners(&types, |listeners| verified(listeners, pins)))?;
    // Without the layout it could not tell this node's drops from those of others on the same kernel.
    let drops = namespaces.and_then(|_| drops::load(&mut ebpf).map_err(|error| error.to_string()));
    // The ring is opened before anything is attached, so that the first events have a reader.
    let ring = RingBuf::try_from(maps::take(&mut ebpf, "EVENTS")?).map_err(ProbeError::map("EVENTS"))?;
    let flows = Arc::new(Mutex::new(Flows::new(&mut ebpf)?));
    let reader = RingReader::new(ring, reasons.clone(), Claims::new(&ebpf)?);
    if settings.log_level > 0 {
        kernel_log::forward(&mut ebpf);
    }
    Ok(Loaded { ebpf, reader, reasons, flows, drops, accept_queues, types, pins })
}

impl Loaded {
    /// Returns a classifier by its name in the object.
    ///
    /// # Errors
    /// Fails when the object has none of that name.
    pub fn classifier(&mut self, name: &'static str) -> Result<&mut SchedClassifier, ProbeError> {
        classifier::program(&mut self.ebpf, name)
    }

    /// Returns the tables of open connections.
    #[must_use]
    pub fn flows(&self) -> Arc<Mutex<Flows>> {
        Arc::clone(&self.flows)
    }

    /// Returns the reader of the ring.
    pub fn reader(&mut self) -> &mut RingReader {
        &mut self.reader
    }
}

/// Loads with pinned maps where the settings say so. If that is not possible, the agent works without: it begins at zero, and
/// nothing is counted after its end.
fn pinned<T>(
    settings: &Settings,
    load: impl Fn(Option<&Pins>) -> Result<T, ProbeError>,
) -> Result<(T, Option<Arc<Pins>>), ProbeError> {
    let Some(dir) = &settings.pin_dir else { return Ok((load(None)?, None)) };
    let loaded =
        Pins::open(dir, OBJECT, settings).and_then(|pins| Ok((load(Some(&pins))?, Some(Arc::new(pins)))));
    loaded.or_else(|error| {
        let loaded = load(None)?;
        warn!(%error, "nothing outlasts this agent: it begins at zero, and nothing is counted after its end");
        Ok((loaded, None))
    })
}

/// Has the classifiers verified, with the look at listening sockets where the kernel's types are known. A kernel that refuses
/// them with it gets them without.
fn with_listeners(
    types: &Result<Arc<KernelTypes>, String>,
    verified: impl Fn(ListenerLayout) -> Result<Ebpf, ProbeError>,
) -> Result<(Ebpf, Option<bool>), ProbeError> {
    let Some(layout) = types.as_ref().ok().and_then(|types| types.listeners.ok()) else {
        return Ok((verified(ListenerLayout::default())?, None));
    };
    match verified(layout) {
        Ok(ebpf) => Ok((ebpf, Some(true))),
        Err(error) => {
            let ebpf = verified(ListenerLayout::default())?;
            warn!(%error, "full accept queues of servers are not noticed: the kernel refuses the look at listening sockets");
            Ok((ebpf, Some(false)))
        }
    }
}

fn classifiers(mut ebpf: Ebpf) -> Result<Ebpf, ProbeError> {
    for name in Classifier::ALL.map(Classifier::name) {
        classifier::program(&mut ebpf, name)?.load().map_err(ProbeError::program(name))?;
    }
    Ok(ebpf)
}

fn object(
    settings: &Settings,
    (types, namespaces, listeners): (Option<&KernelTypes>, NamespaceLayout, ListenerLayout),
    reasons: &Reasons,
    pins: Option<&Pins>,
) -> Result<Ebpf, ProbeError> {
    let (head, network, protocol) =
        types.map_or((0, 0, 0), |t| (t.sk_buff.head, t.sk_buff.network_header, t.sk_buff.protocol));
    let reason_arg = types.and_then(|t| t.kfree_skb.reason_arg).unwrap_or(0);
    let socket_arg = types.and_then(|t| t.kfree_skb.socket_arg).unwrap_or(0);
    let interest: [u64; REASON_BITS / 64] = reasons.interest();
    let resets: ResetLayout = types.and_then(|t| t.resets.ok()).unwrap_or_default();
    let sockets: SocketLayout = types.and_then(|t| t.sockets.ok()).unwrap_or_default();
    let cpus = aya::util::nr_cpus().unwrap_or(1);
    let mut loader = EbpfLoader::new();
    loader
        // Rust programs have no CO-RE relocations; reading the kernel's BTF for them would cost tens of megabytes.
        .btf(None)
        .override_global("SKB_HEAD", &head, true)
        .override_global("SKB_NETWORK_HEADER", &network, true)
        .override_global("SKB_PROTOCOL", &protocol, true)
        .override_global("REASON_ARG", &reason_arg, true)
        .override_global("SOCKET_ARG", &socket_arg, true)
        .override_global("NAMESPACES", &namespaces, true)
        .override_global("REASONS", &interest, true)
        .override_global("RESET_LAYOUT", &resets, true)
        .override_global("LISTENER_LAYOUT", &listeners, true)
        .override_global("SOCKET_LAYOUT", &sockets, true)
        .override_global(aya_log::LEVEL, &settings.log_level, false)
        .map_max_entries("PAIRS_0", settings.pair_entries)
        .map_max_entries("PAIRS_1", settings.pair_entries)
        .map_max_entries("RESET_REASONS", reset_reasons::map_entries(cpus))
        .map_max_entries("EVENTS", settings.ring_bytes);
    for (pins, name) in pins.into_iter().flat_map(|pins| PINNED.map(|name| (pins, name))) {
        loader.map_pin_path(name, pins.map(name));
    }
    Ok(loader.load(OBJECT)?)
}

#[cfg(test)]
mod tests;
