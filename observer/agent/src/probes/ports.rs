//! The TCP ports that servers are known to listen on, in the kernel: they tell which side sent a packet of a connection
//! that was never seen opening.

use aya::maps::{Array, MapData};
use observer_abi::PORT_WORDS;

use crate::probes::error::ProbeError;
use crate::probes::load::Loaded;
use crate::probes::maps;

/// Owns the set of ports. It has one writer: the task that knows the cluster.
pub struct Ports {
    map: Array<MapData, u64>,
    words: Vec<u64>,
}

impl Ports {
    /// Takes the map out of a loaded object.
    ///
    /// # Errors
    /// Fails when the object has no such map, or it was taken before.
    pub fn new(loaded: &mut Loaded) -> Result<Self, ProbeError> {
        Ok(Self { map: maps::array(&mut loaded.ebpf, "PORTS")?, words: words([]) })
    }

    /// Makes these the known ports.
    ///
    /// # Errors
    /// Fails when the kernel refuses a part of them; the next call tries again.
    pub fn set(&mut self, ports: impl IntoIterator<Item = u16>) -> Result<(), ProbeError> {
        for (index, word) in words(ports).into_iter().enumerate() {
            if self.words[index] != word {
                self.map.set(index as u32, word, 0).map_err(ProbeError::map("PORTS"))?;
                self.words[index] = word;
            }
        }
        Ok(())
    }
}

fn words(ports: impl IntoIterator<Item = u16>) -> Vec<u64> {
    let mut words = vec![0; PORT_WORDS as usize];
    for port in ports {
        words[usize::from(port / 64)] |= 1 << (port % 64);
    }
    words
}

#[cfg(test)]
mod tests;
