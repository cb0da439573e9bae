//! The maps that are pinned, and what makes two versions of them compatible.

use std::io;

use aya_obj::Object;
use observer_abi::PINNED_ABI;

use crate::probes::settings::Settings;
use crate::sealed::fnv;

/// The maps with counts, open attempts, live connections and unread records. The others hold what an agent enters itself or
/// what is soon known again; each agent makes its own.
pub(in crate::probes) const PINNED: [&str; 21] = [
    "ACTIVE",
    "CLOSED",
    "CONNS",
    "DROPS_0",
    "DROPS_1",
    "ENDED",
    "EVENTS",
    "FAST_OPEN",
    "FULL_QUEUES",
    "IFACES",
    "LASTING",
    "LOST",
    "MERGED_0",
    "MERGED_1",
    "NAMESPACE_IDS",
    "OPENED",
    "PAIRS_0",
    "PAIRS_1",
    "REMAINDER",
    "RESETS",
    "SINGLES",
];

/// Returns the version of the pinned maps: agents whose versions are equal can use each other's. It holds the number that
/// people raise when the meaning of a value changes, and a hash of the shapes.
pub(super) fn version(object: &[u8], settings: &Settings) -> io::Result<String> {
    let object = Object::parse(object).map_err(io::Error::other)?;
    let mut shapes = format!("{} {}", settings.pair_entries, settings.ring_bytes);
    for name in PINNED {
        let map = object.maps.get(name).ok_or_else(|| io::Error::other(format!("there is no map {name}")))?;
        let shape = [map.map_type(), map.key_size(), map.value_size(), map.max_entries(), map.map_flags()];
        shapes.push_str(&format!(" {name} {shape:?}"));
    }
    Ok(format!("v{PINNED_ABI}-{:016x}", fnv(shapes.as_bytes())))
}
