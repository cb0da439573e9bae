//! Who sent a RST and why, by what TCP announces in the kernel.
//!
//! TCP announces the reply to a segment before it sends it, but the RST that ends a connection only afterwards, which may
//! take long where the sender's CPU time is limited. So a reply that was not announced is not TCP's; of other resets that
//! can't be said.

use std::cell::Cell;
use std::collections::BTreeMap;

use arcstr::ArcStr;
use aya::Ebpf;
use aya::maps::{HashMap, MapData, PerCpuArray};
use flow_model::flow::{RstOrigin, SentBy};
use observer_abi::{ResetReason, is_reply, resets_sent};

use crate::probes::btf::KernelTypes;
use crate::probes::clock::monotonic_ns;
use crate::probes::error::ProbeError;
use crate::probes::maps;
use crate::probes::reset_reasons::announced::{Announced, Totals};

mod announced;
mod program;

pub(in crate::probes) use self::program::{Attached, attach};

/// A RST and its announcement are at most this far apart. Another with the same mark may come later.
const APART_NS: u64 = 1_000_000_000;

/// Returns the size of the map for this number of CPUs. Each CPU may hold back 128 entries for itself
/// (`LOCAL_FREE_TARGET` of <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/bpf_lru_list.c>), so that fewer are left
/// before the oldest yield.
pub(super) fn map_entries(cpus: usize) -> u32 {
    u32::try_from(cpus).unwrap_or(u32::MAX).saturating_mul(256).saturating_add(8_192)
}

/// A RST whose origin is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rst {
    /// See [`observer_abi::mark`].
    pub(super) mark: u64,
    /// Kernel time at which a hook saw it.
    pub(super) time_ns: u64,
    /// The node or a pod of it made it.
    pub(super) here: bool,
}

/// An answer about a RST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing more will be known.
    Final(RstOrigin),
    /// It may be announced yet.
    Later,
}

/// Owns the map of announcements.
pub(super) struct ResetReasons {
    entries: HashMap<MapData, u64, ResetReason>,
    counts: PerCpuArray<MapData, u64>,
    names: BTreeMap<u32, ArcStr>,
    announced: Announced,
    program: Attached,
    /// Kernel time at which the program was asked for what it missed, and its answer.
    missed: Cell<(u64, u64)>,
}

impl ResetReasons {
    /// Takes the maps out of the object.
    pub(super) fn new(ebpf: &mut Ebpf, types: &KernelTypes, program: Attached) -> Result<Self, ProbeError> {
        let names = types.reset_reasons.iter().map(|(value, name)| (*value, name.as_str().into())).collect();
        let (entries, counts) = (maps::hash(ebpf, "RESET_REASONS")?, maps::per_cpu(ebpf, "RESETS_SENT")?);
        Ok(Self { entries, counts, names, announced: Announced::default(), program, missed: Cell::default() })
    }

    /// Notes the number of announcements so far. Called at intervals.
    pub(super) fn tick(&mut self) {
        let now = monotonic_ns();
        if let Some(totals) = self.totals(now) {
            self.announced.note(now, totals);
        }
    }

    /// Returns what is known of a RST.
    pub(super) fn answer(&self, rst: Rst) -> Answer {
        let unknown = Answer::Final(RstOrigin::default());
        match self.entries.get(&rst.mark, 0) {
            Ok(entry) if entry.time_ns.abs_diff(rst.time_ns) <= APART_NS => Answer::Final(RstOrigin {
                sent_by: Some(SentBy::KernelTcp),
                reason: Some(self.name(entry.reason)),
            }),
            Ok(_) => unknown,
            Err(_) if !rst.here => unknown,
            Err(_) if !is_reply(rst.mark) => Answer::Later,
            Err(_) if self.is_remembered_since(rst.time_ns) => {
                Answer::Final(RstOrigin { sent_by: Some(SentBy::NotKernelTcp), reason: None })
            }
            Err(_) => unknown,
        }
    }

    /// Is true if the map has everything that was announced since this time.
    fn is_remembered_since(&self, time_ns: u64) -> bool {
        self.totals(time_ns).is_some_and(|now| self.announced.is_remembered_since(time_ns, now))
    }

    /// Returns the numbers, which include all resets that were seen until this time.
    fn totals(&self, time_ns: u64) -> Option<Totals> {
        let sum = |slot| self.counts.get(&slot, 0).map(|cpus| cpus.iter().sum::<u64>()).ok();
        let missed = self.missed_until(time_ns)?;
        Some(Totals {
            announced: sum(resets_sent::ANNOUNCED)?,
            failed: sum(resets_sent::FAILED)?.saturating_add(missed),
        })
    }

    /// Returns what the program has missed until this time at least. Asking costs more than looking into a map, and one
    /// answer serves all records that are read together.
    fn missed_until(&self, time_ns: u64) -> Option<u64> {
        let (asked_ns, missed) = self.missed.get();
        if asked_ns > time_ns {
            return Some(missed);
        }
        let asked_ns = monotonic_ns();
        let missed = self.program.missed()?;
        self.missed.set((asked_ns, missed));
        Some(missed)
    }

    /// Returns the kernel's name of a reason; a number where BTF has none.
    fn name(&self, reason: u32) -> ArcStr {
        self.names.get(&reason).cloned().unwrap_or_else(|| arcstr::format!("{reason:#x}"))
    }
}
