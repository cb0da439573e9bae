//! Series on what this process costs, read at each scrape.

use std::fmt;
use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};

use crate::sink::metrics::spec::{Kind, Spec};

/// The unit of times in `/proc` is `USER_HZ`, which is 100 on every architecture that runs the agent.
const TICKS_PER_SECOND: f64 = 100.0;

const CPU: Spec = Spec {
    name: "process_cpu_seconds",
    kind: Kind::Counter,
    help: "User and system CPU time spent, in seconds",
    labels: &[],
    unit: "seconds",
    changes: "while the agent works",
    bound: "one series",
};
const MEMORY: Spec = Spec {
    name: "process_resident_memory_bytes",
    kind: Kind::Gauge,
    help: "Resident memory, in bytes",
    labels: &[],
    unit: "bytes",
    changes: "with the memory that the agent uses",
    bound: "one series",
};
const START: Spec = Spec {
    name: "process_start_time_seconds",
    kind: Kind::Gauge,
    help: "Start of the process, in seconds since the epoch",
    labels: &[],
    unit: "seconds",
    changes: "when the agent restarts",
    bound: "one series",
};
const FDS: Spec = Spec {
    name: "process_open_fds",
    kind: Kind::Gauge,
    help: "Open file descriptors",
    labels: &[],
    unit: "file descriptors",
    changes: "with connections, interfaces and files that are open",
    bound: "one series",
};

pub(super) const FAMILIES: [Spec; 4] = [CPU, MEMORY, START, FDS];

/// Reads the customary `process_*` families at each scrape. One that can't be read is left out.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        if let Some(seconds) = cpu_seconds() {
            CPU.encode(&mut encoder)?.encode_counter::<NoLabelSet, _, u64>(&seconds, None)?;
        }
        for (spec, value) in [(MEMORY, resident_bytes()), (START, start_seconds()), (FDS, open_fds())] {
            if let Some(value) = value {
                spec.encode(&mut encoder)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }
}

fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Some(micros as f64 / 1e6)
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
    Some(kib.parse::<u64>().ok()? as f64 * 1024.0)
}

fn start_seconds() -> Option<f64> {
    let ticks = start_ticks(&fs::read_to_string("/proc/self/stat").ok()?)?;
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot as f64 + ticks as f64 / TICKS_PER_SECOND)
}

/// Returns field 22 of proc_pid_stat(5). The command in parentheses may hold spaces and parentheses itself; the third
/// field follows the last one.
fn start_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(22 - 3)?.parse().ok()
}

fn open_fds() -> Option<f64> {
    // The directory's own descriptor is one of them.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests;
