//! What the agent holds at a moment, as the kernel says.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use aya::Pod;
use aya::maps::{HashMap, Map, MapData, MapInfo};
use lab::wait;
use serde::Serialize;

use crate::stage::Stage;

/// The time that connections get to end which nobody uses any more.
const IDLE_WITHIN: Duration = Duration::from_secs(100);

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Sample {
    /// Seconds since the start.
    pub(crate) at: f64,
    pub(crate) rss_kib: u64,
    pub(crate) peak_kib: u64,
    pub(crate) threads: u64,
    /// Open descriptors by kind: `bpf-map`, `bpf-prog`, `bpf_link`, `socket`, ...
    pub(crate) descriptors: BTreeMap<String, usize>,
    /// Entries of the kernel maps that grow with interfaces.
    pub(crate) entries: BTreeMap<String, usize>,
}

impl Sample {
    pub(crate) fn take(stage: &Stage, began: Instant) -> Result<Self> {
        let pid = stage.agent.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field =
            |name: &str| field(&status, name).with_context(|| format!("no {name} in /proc/{pid}/status"));
        Ok(Self {
            at: began.elapsed().as_secs_f64(),
            rss_kib: field("VmRSS:")?,
            peak_kib: field("VmHWM:")?,
            threads: field("Threads:")?,
            descriptors: descriptors(pid)?,
            entries: entries(pid)?,
        })
    }

    /// Takes a sample when the agent holds what it held before, or when the time for that is over.
    pub(crate) fn take_like(before: &Self, stage: &Stage, began: Instant) -> Result<Self> {
        let same = wait::until("the agent to hold what it held before", IDLE_WITHIN, || {
            let now = Self::take(stage, began).ok()?;
            (now.descriptors == before.descriptors && now.entries == before.entries).then_some(now)
        });
        same.or_else(|_| Self::take(stage, began))
    }

    /// Returns the number of descriptors of a kind.
    pub(crate) fn held(&self, kind: &str) -> usize {
        self.descriptors.get(kind).copied().unwrap_or(0)
    }
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn descriptors(pid: u32) -> Result<BTreeMap<String, usize>> {
    let mut kinds = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        // It may be closed by now.
        if let Ok(target) = fs::read_link(entry?.path()) {
            *kinds.entry(kind(&target.to_string_lossy())).or_default() += 1;
        }
    }
    Ok(kinds)
}

/// Returns the kind in `anon_inode:[eventpoll]`, `anon_inode:bpf_link`, `socket:[4711]` and paths.
fn kind(target: &str) -> String {
    if target.starts_with('/') {
        return "file".to_owned();
    }
    let name = target.strip_prefix("anon_inode:").map(|name| name.trim_matches(['[', ']']));
    name.or_else(|| target.split(':').next()).unwrap_or(target).to_owned()
}

/// Returns the number of entries of the agent's maps whose key is an interface.
fn entries(pid: u32) -> Result<BTreeMap<String, usize>> {
    let mut found = BTreeMap::new();
    for id in map_ids(pid)? {
        let name = MapInfo::from_id(id)?.name_as_str().unwrap_or_default().to_owned();
        let map = Map::HashMap(MapData::from_id(id).with_context(|| name.clone())?);
        let entries = match name.as_str() {
            "IFACES" => count::<u8>(map)?,
            "NAMESPACE_IDS" => count::<u32>(map)?,
            "HANDSHAKES" => count::<[u64; 3]>(map)?,
            _ => continue,
        };
        found.insert(name, entries);
    }
    Ok(found)
}

fn count<V: Pod>(map: Map) -> Result<usize> {
    let map: HashMap<MapData, u32, V> = map.try_into()?;
    Ok(map.keys().filter(Result::is_ok).count())
}

fn map_ids(pid: u32) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let info = fs::read_to_string(entry?.path()).unwrap_or_default();
        let map = info.lines().find_map(|line| line.strip_prefix("map_id:"));
        ids.extend(map.and_then(|id| id.trim().parse::<u32>().ok()));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

#[cfg(test)]
mod tests;
