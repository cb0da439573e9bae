//! What this process costs, read at scrape.

use std::fmt;
use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Unit of times in `/proc`: `USER_HZ`, which is 100 on every architecture that runs the agent.
const TICKS_PER_SECOND: f64 = 100.0;

/// The customary `process_*` families. One that can't be read is left out.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        if let Some(seconds) = cpu_seconds() {
            let help = "User and system CPU time spent, in seconds.";
            let mut family =
                encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
            family.encode_counter::<NoLabelSet, _, u64>(&seconds, None)?;
        }
        let help = "Resident memory, in bytes.";
        gauge(&mut encoder, "process_resident_memory_bytes", help, resident_bytes())?;
        let help = "Start of the process, in seconds since the epoch.";
        gauge(&mut encoder, "process_start_time_seconds", help, start_seconds())?;
        gauge(&mut encoder, "process_open_fds", "Open file descriptors.", open_fds())
    }
}

fn gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: Option<f64>) -> fmt::Result {
    let Some(value) = value else { return Ok(()) };
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
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

/// Field 22 of proc_pid_stat(5). The command in parentheses may hold spaces and parentheses itself; the third field follows
/// the last one.
fn start_ticks(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(22 - 3)?.parse().ok()
}

fn open_fds() -> Option<f64> {
    // The directory's own descriptor is one of them.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 12 34 0 0 20 0 5 0 98765 1000 250 18446744073709551615";
        assert_eq!(start_ticks(stat), Some(98765));
        assert_eq!(start_ticks("7 (a"), None);
    }

    #[test]
    fn this_process_has_plausible_figures() {
        let now = jiff::Timestamp::now().as_second() as f64;
        let start = start_seconds().unwrap();
        assert!(start <= now + 1.0 && start > now - 24.0 * 3600.0, "started at {start}, now {now}");
        assert!(resident_bytes().unwrap() > 100_000.0);
        assert!(open_fds().unwrap() >= 3.0);
        assert!(cpu_seconds().unwrap() >= 0.0);
    }
}
