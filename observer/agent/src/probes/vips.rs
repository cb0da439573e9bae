//! The known VIPs in the kernel: the addresses whose claims get records.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aya::maps::{HashMap, MapData, MapError};
use observer_abi::{MAX_VIPS, VipValue};
use tracing::warn;

use crate::probes::error::ProbeError;
use crate::probes::load::Loaded;
use crate::probes::{convert, maps};

type Address = [u8; 16];

/// Owns the map of VIPs. It has one writer: the task that knows the Services.
pub struct Vips {
    map: HashMap<MapData, Address, VipValue>,
    known: BTreeSet<Address>,
    left_out: usize,
}

impl Vips {
    /// Takes the map out of a loaded object.
    ///
    /// # Errors
    /// Fails when the object has no such map, or it was taken before.
    pub fn new(loaded: &mut Loaded) -> Result<Self, ProbeError> {
        Ok(Self { map: maps::hash(&mut loaded.ebpf, "VIPS")?, known: BTreeSet::new(), left_out: 0 })
    }

    /// Makes these the known VIPs. VIPs that were known before keep their claimants.
    ///
    /// The kernel has room for [`MAX_VIPS`]; a warning is logged when some are left out.
    ///
    /// # Errors
    /// Fails when the kernel refuses an entry; the others are made, and the next call tries again.
    pub fn set(&mut self, vips: &BTreeSet<IpAddr>) -> Result<(), ProbeError> {
        let wanted: BTreeSet<_> = vips.iter().map(|ip| convert::bytes(*ip)).take(MAX_VIPS as usize).collect();
        let left_out = vips.len().saturating_sub(MAX_VIPS as usize);
        if left_out > std::mem::replace(&mut self.left_out, left_out) {
            warn!(left_out, "more VIPs than the kernel can watch: claims of the others are not reported");
        }
        let gone: Vec<_> = self.known.difference(&wanted).copied().collect();
        let new: Vec<_> = wanted.difference(&self.known).copied().collect();
        let gone = gone.into_iter().map(|ip| self.remove(ip)).fold(Ok(()), Result::and);
        let new = new.into_iter().map(|ip| self.insert(ip)).fold(Ok(()), Result::and);
        gone.and(new).map_err(ProbeError::map("VIPS"))
    }

    fn remove(&mut self, ip: Address) -> Result<(), MapError> {
        match self.map.remove(&ip) {
            Ok(()) | Err(MapError::KeyNotFound) => {
                self.known.remove(&ip);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn insert(&mut self, ip: Address) -> Result<(), MapError> {
        self.map.insert(ip, VipValue::default(), 0)?;
        self.known.insert(ip);
        Ok(())
    }
}
