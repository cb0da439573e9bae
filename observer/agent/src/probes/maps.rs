//! Takes maps out of a loaded object. Each map has one owner afterwards.

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use aya::{Ebpf, Pod};

use crate::probes::error::ProbeError;

/// Takes a map of any type.
pub(super) fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, ProbeError> {
    ebpf.take_map(name).ok_or(ProbeError::NoMap(name))
}

/// Takes a hash map.
pub(super) fn hash<K: Pod, V: Pod>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<HashMap<MapData, K, V>, ProbeError> {
    HashMap::try_from(take(ebpf, name)?).map_err(ProbeError::map(name))
}

/// Is true when a hash map has an entry.
pub(super) fn contains<K: Pod, V: Pod>(
    map: &HashMap<MapData, K, V>,
    key: &K,
    name: &'static str,
) -> Result<bool, ProbeError> {
    match map.get(key, 0) {
        Ok(_) => Ok(true),
        Err(MapError::KeyNotFound) => Ok(false),
        Err(error) => Err(ProbeError::map(name)(error)),
    }
}

/// Takes an array.
pub(super) fn array<V: Pod>(ebpf: &mut Ebpf, name: &'static str) -> Result<Array<MapData, V>, ProbeError> {
    Array::try_from(take(ebpf, name)?).map_err(ProbeError::map(name))
}

/// Takes an array with a value for each CPU.
pub(super) fn per_cpu<V: Pod>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<PerCpuArray<MapData, V>, ProbeError> {
    PerCpuArray::try_from(take(ebpf, name)?).map_err(ProbeError::map(name))
}
