//! Joins records of claims with the newest claims in the map of VIPs.
//!
//! The kernel writes a record when the claimant changes, but not faster than its rates. The map always has the newest
//! claim, so reading it from time to time finds the last claimant even if its record was lost or throttled.

use std::collections::{BTreeSet, HashMap};
use std::io;

use aya::Ebpf;
use flow_model::input::Input;
use observer_abi::{AnnouncementRecord, Record, VipValue};

use crate::probes::batch::Batches;
use crate::probes::clock::Clock;
use crate::probes::convert;
use crate::probes::error::ProbeError;
use crate::probes::faults::Faults;

/// A claimant that stays is reported this often, by a record or from the map.
const STILL_NS: u64 = 1_000_000_000;

type Address = [u8; 16];

/// The known VIPs with their newest claims, as the map had them at one time.
#[derive(Debug)]
pub struct NewestClaims(Vec<(Address, VipValue)>);

/// Makes sure that each change of a claimant is reported once, and the last one always.
pub(super) struct Claims {
    vips: Batches,
    reported: HashMap<Address, Reported>,
    faults: Faults,
}

/// The claim of a VIP that was reported last.
#[derive(Clone, Copy, Debug)]
struct Reported {
    claim: u64,
    time_ns: u64,
}

impl Claims {
    /// Opens the map of VIPs.
    pub(super) fn new(ebpf: &Ebpf) -> Result<Self, ProbeError> {
        let map = ebpf.map("VIPS").ok_or(ProbeError::NoMap("VIPS"))?;
        let vips = Batches::of(map).map_err(ProbeError::system("the map of VIPs"))?;
        Ok(Self { vips, reported: HashMap::new(), faults: Faults::default() })
    }

    /// Is true when this record is to be reported: it is not an announcement older than one reported from the map.
    pub(super) fn accept(&mut self, record: &Record) -> bool {
        if let Record::Announcement(record) = record { in_order(&mut self.reported, record) } else { true }
    }

    /// Reads the known VIPs with their newest claims.
    pub(super) fn newest(&self) -> io::Result<NewestClaims> {
        self.vips.read().map(NewestClaims)
    }

    /// Returns those of the claims read earlier that no record has reported since.
    pub(super) fn missed(&mut self, newest: &NewestClaims, clock: Clock) -> Vec<Input> {
        let missed = missed(&mut self.reported, &newest.0);
        let decoded = |(ip, vip): &(Address, VipValue)| {
            self.faults.check(convert::newest_claim(*ip, vip, clock)).map(Input::Announcement)
        };
        let mut inputs: Vec<_> = missed.iter().filter_map(decoded).collect();
        inputs.extend(self.faults.take());
        inputs
    }
}

fn in_order(reported: &mut HashMap<Address, Reported>, record: &AnnouncementRecord) -> bool {
    let claim = VipValue::claim(record.mac, record.how, record.outbound);
    let this = Reported { claim, time_ns: record.time_ns };
    let last = reported.entry(record.ip).or_insert(this);
    let newer = last.time_ns <= this.time_ns;
    if newer {
        *last = this;
    }
    newer
}

/// Returns the claims by another host than reported last, and those that show that it is still there. Forgets VIPs that
/// are no longer known.
fn missed(
    reported: &mut HashMap<Address, Reported>,
    newest: &[(Address, VipValue)],
) -> Vec<(Address, VipValue)> {
    let known: BTreeSet<_> = newest.iter().map(|(ip, _)| *ip).collect();
    reported.retain(|ip, _| known.contains(ip));
    let unreported = |ip: &Address, vip: &VipValue| {
        let Some(last) = reported.get(ip) else { return vip.newest != 0 };
        let moved = !VipValue::same_host(last.claim, vip.newest);
        let later = vip.newest_ns.checked_sub(last.time_ns);
        later.is_some_and(|ns| moved || ns >= STILL_NS)
    };
    let missed: Vec<_> = newest.iter().filter(|(ip, vip)| unreported(ip, vip)).copied().collect();
    for (ip, vip) in &missed {
        reported.insert(*ip, Reported { claim: vip.newest, time_ns: vip.newest_ns });
    }
    missed
}

#[cfg(test)]
mod tests;
