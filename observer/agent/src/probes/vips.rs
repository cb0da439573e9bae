//! The known VIPs in the kernel: which they are, and who claims them.
//!
//! The kernel writes a record when the claimant changes, but not faster than its rates. The map always has the newest
//! claim, so reading it now and then tells the last claimant whatever became of the records.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::IpAddr;

use aya::Ebpf;
use aya::maps::{HashMap as KernelMap, MapData, MapError, PerCpuArray};
use flow_model::input::Input;
use observer_abi::{AnnouncementRecord, MAX_VIPS, Record, VipValue, claims};
use tracing::{debug, warn};

use crate::probes::batch::Batches;
use crate::probes::clock::Clock;
use crate::probes::load::Loaded;
use crate::probes::{ProbeError, convert, drain};

/// A claimant that stays is told this often, by a record or by the map.
const STILL_NS: u64 = 1_000_000_000;

type Address = [u8; 16];

/// The addresses whose claims are told one by one. One writer: whoever knows the Services.
pub struct Vips {
    map: KernelMap<MapData, Address, VipValue>,
    known: BTreeSet<Address>,
    left_out: usize,
}

impl Vips {
    /// Of a loaded object, before its maps are given to the tasks.
    ///
    /// # Errors
    /// When the object has no such map, or it was taken before.
    pub fn new(loaded: &mut Loaded) -> Result<Self, ProbeError> {
        Self::from_ebpf(&mut loaded.ebpf)
    }

    pub(super) fn from_ebpf(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self { map: drain::hash(ebpf, "VIPS")?, known: BTreeSet::new(), left_out: 0 })
    }

    /// Makes these the known VIPs. Those that were known before keep what is known of their claimants.
    ///
    /// The kernel has room for [`MAX_VIPS`]; there is a warning when some are left out.
    ///
    /// # Errors
    /// When the kernel refuses an entry; the others are made, and the next call tries again.
    pub fn set(&mut self, vips: &BTreeSet<IpAddr>) -> Result<(), ProbeError> {
        let wanted: BTreeSet<_> = vips.iter().map(|ip| convert::bytes(*ip)).take(MAX_VIPS as usize).collect();
        let left_out = vips.len().saturating_sub(MAX_VIPS as usize);
        if left_out > std::mem::replace(&mut self.left_out, left_out) {
            warn!(left_out, "more VIPs than the kernel can watch: nobody hears who claims the others");
        }
        let gone: Vec<_> = self.known.difference(&wanted).copied().collect();
        let new: Vec<_> = wanted.difference(&self.known).copied().collect();
        let gone = gone.into_iter().map(|ip| self.forget(ip)).fold(Ok(()), Result::and);
        let new = new.into_iter().map(|ip| self.learn(ip)).fold(Ok(()), Result::and);
        gone.and(new).map_err(ProbeError::map("VIPS"))
    }

    fn forget(&mut self, ip: Address) -> Result<(), MapError> {
        match self.map.remove(&ip) {
            Ok(()) | Err(MapError::KeyNotFound) => {
                self.known.remove(&ip);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn learn(&mut self, ip: Address) -> Result<(), MapError> {
        self.map.insert(ip, VipValue::default(), 0)?;
        self.known.insert(ip);
        Ok(())
    }
}

/// Joins records with what the map says, so that each change is told once and the last one always.
pub(super) struct Claims {
    vips: Batches,
    handed: HashMap<Address, Handed>,
}

/// The claim of a VIP that was handed over last.
#[derive(Clone, Copy, Debug)]
struct Handed {
    claim: u64,
    time_ns: u64,
}

impl Claims {
    pub(super) fn new(ebpf: &Ebpf) -> Result<Self, ProbeError> {
        let map = ebpf.map("VIPS").ok_or(ProbeError::NoMap("VIPS"))?;
        let vips = Batches::of(map);
        let vips = vips.map_err(|source| ProbeError::System { what: "the map of VIPs", source })?;
        Ok(Self { vips, handed: HashMap::new() })
    }

    /// Whether to hand over this record: not an announcement older than one that was told from the map.
    pub(super) fn hand(&mut self, record: &Record) -> bool {
        if let Record::Announcement(record) = record { in_order(&mut self.handed, record) } else { true }
    }

    /// The known VIPs with their newest claims.
    pub(super) fn read(&self) -> io::Result<Vec<(Address, VipValue)>> {
        self.vips.read()
    }

    /// Of claims read earlier, those that no record has told since.
    pub(super) fn missed(&mut self, newest: &[(Address, VipValue)], clock: Clock) -> Vec<Input> {
        let missed = missed(&mut self.handed, newest);
        missed.iter().map(|(ip, vip)| Input::Announcement(convert::newest_claim(*ip, vip, clock))).collect()
    }
}

fn in_order(handed: &mut HashMap<Address, Handed>, record: &AnnouncementRecord) -> bool {
    let claim = VipValue::claim(record.mac, record.header.a, record.header.b != 0);
    let this = Handed { claim, time_ns: record.header.time_ns };
    let last = handed.entry(record.ip).or_insert(this);
    let newer = last.time_ns <= this.time_ns;
    if newer {
        *last = this;
    }
    newer
}

/// Claims by another host than told last, or that show that it is still there. Forgets VIPs that are no longer known.
fn missed(handed: &mut HashMap<Address, Handed>, newest: &[(Address, VipValue)]) -> Vec<(Address, VipValue)> {
    let known: BTreeSet<_> = newest.iter().map(|(ip, _)| *ip).collect();
    handed.retain(|ip, _| known.contains(ip));
    let untold = |ip: &Address, vip: &VipValue| {
        let Some(last) = handed.get(ip) else { return vip.newest != 0 };
        let moved = !VipValue::same_host(last.claim, vip.newest);
        let later = vip.newest_ns.checked_sub(last.time_ns);
        later.is_some_and(|ns| moved || ns >= STILL_NS)
    };
    let missed: Vec<_> = newest.iter().filter(|(ip, vip)| untold(ip, vip)).copied().collect();
    for (ip, vip) in &missed {
        handed.insert(*ip, Handed { claim: vip.newest, time_ns: vip.newest_ns });
    }
    missed
}

/// Announcements that made no record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaimCounts {
    /// Of addresses that are no known VIPs.
    pub unknown: u64,
    /// Malformed, or by what can be no host.
    pub ignored: u64,
    /// Of known VIPs, faster than they are told one by one.
    pub throttled: u64,
}

impl ClaimCounts {
    /// What the engine is told of them.
    pub(super) fn input(self) -> Option<Input> {
        if self.ignored > 0 || self.throttled > 0 {
            debug!(self.ignored, self.throttled, "announcements that were not looked at one by one");
        }
        (self.unknown > 0).then_some(Input::Unclaimed { count: self.unknown })
    }
}

/// Counters of announcements that made no record.
pub(super) struct Unrecorded {
    counters: PerCpuArray<MapData, u64>,
    seen: [u64; claims::COUNT as usize],
}

impl Unrecorded {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let map = drain::take(ebpf, "CLAIMS")?;
        let counters = PerCpuArray::try_from(map).map_err(ProbeError::map("CLAIMS"))?;
        Ok(Self { counters, seen: [0; claims::COUNT as usize] })
    }

    /// Since the last call.
    pub(super) fn take(&mut self) -> Result<ClaimCounts, ProbeError> {
        let mut since = |slot: u32| -> Result<u64, ProbeError> {
            let values = self.counters.get(&slot, 0).map_err(ProbeError::map("CLAIMS"))?;
            let now: u64 = values.iter().sum();
            let seen = std::mem::replace(&mut self.seen[slot as usize], now);
            Ok(now.saturating_sub(seen))
        };
        Ok(ClaimCounts {
            unknown: since(claims::UNKNOWN)?,
            ignored: since(claims::IGNORED)?,
            throttled: since(claims::THROTTLED)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use observer_abi::{Header, announced, kind};

    use super::*;

    const VIP: Address = [7; 16];
    const S: u64 = 1_000_000_000;

    fn mac(host: u8) -> [u8; 6] {
        [2, 0, 0, 0, 0, host]
    }

    fn entry(host: u8, newest_ns: u64) -> (Address, VipValue) {
        let newest = VipValue::claim(mac(host), announced::ARP, false);
        (VIP, VipValue { newest, newest_ns, ..VipValue::default() })
    }

    fn told(host: u8, time_ns: u64) -> HashMap<Address, Handed> {
        // Another kind of frame: that alone is no move.
        let claim = VipValue::claim(mac(host), announced::GRATUITOUS_REPLY, true);
        HashMap::from([(VIP, Handed { claim, time_ns })])
    }

    #[test]
    fn only_what_no_record_told_is_missed() {
        let cases = [
            ("nobody claimed it", HashMap::new(), (VIP, VipValue::default()), false),
            ("never told", HashMap::new(), entry(1, 5 * S), true),
            ("told", told(1, 5 * S), entry(1, 5 * S), false),
            ("still there, not for long", told(1, 5 * S), entry(1, 6 * S - 1), false),
            ("still there", told(1, 5 * S), entry(1, 6 * S), true),
            ("moved at the same nanosecond", told(1, 5 * S), entry(2, 5 * S), true),
            ("the ring was read since, and is ahead", told(1, 5 * S), entry(2, 5 * S - 1), false),
        ];
        for (name, mut handed, entry, expect) in cases {
            assert_eq!(missed(&mut handed, &[entry]).len(), usize::from(expect), "{name}");
            assert_eq!(missed(&mut handed, &[entry]), [], "{name}: told once");
        }
    }

    #[test]
    fn what_is_no_vip_any_more_is_forgotten() {
        let mut handed = told(1, S);
        assert_eq!(missed(&mut handed, &[]), []);
        assert!(handed.is_empty());
    }

    #[test]
    fn a_record_overtaken_by_the_map_is_not_told() {
        let mut handed = told(1, 5 * S);
        let record = |host, time_ns| {
            let kind = kind::ANNOUNCEMENT;
            let header = Header { kind, vantage: 2, a: 0, b: 0, c: 0, _pad: [0; 3], time_ns };
            AnnouncementRecord { header, ip: VIP, mac: mac(host), _pad: [0; 2], ifindex: 1, _pad2: 0 }
        };
        assert!(!in_order(&mut handed, &record(2, 5 * S - 1)));
        assert_eq!(missed(&mut handed, &[entry(1, 5 * S)]), [], "and changes nothing");
        assert!(in_order(&mut handed, &record(2, 5 * S)));
        assert_eq!(missed(&mut handed, &[entry(2, 5 * S)]), []);
    }
}
