//! Notices when the table of tracked connections is full, by its counters in this network namespace.

use std::fs;
use std::time::Duration;

use flow_model::input::Input;
use jiff::Timestamp;
use tokio::sync::mpsc::Sender;
use tokio::time::{MissedTickBehavior, interval};

/// Counters of each processor, in hexadecimal, under the names of the first line. See `ct_cpu_seq_show` in
/// <https://github.com/torvalds/linux/blob/v6.12/net/netfilter/nf_conntrack_standalone.c>.
const COUNTERS: &str = "/proc/thread-self/net/stat/nf_conntrack";
/// The entries of this namespace.
const ENTRIES: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
/// The most entries that each namespace may have.
const LIMIT: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const EVERY: Duration = Duration::from_secs(1);
/// The table counts as full from this part of its limit on, in percent: entries go between the drop and the look.
const FULL: u64 = 95;

/// Sends [`Input::TableFull`] for each second in which the kernel dropped packets because the table was full. Ends when
/// the receiver is closed. It costs three reads of small files a second.
pub async fn follow(to: Sender<Input>) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut since, mut before) = (Timestamp::now(), None);
    loop {
        tick.tick().await;
        let until = Timestamp::now();
        let now = dropped(&text(COUNTERS));
        let more = before.zip(now).map_or(0, |(before, now): (u64, u64)| now.saturating_sub(before));
        if more > 0
            && is_full(number(&text(ENTRIES)), number(&text(LIMIT)))
            && to.send(Input::TableFull { since, until, dropped: more }).await.is_err()
        {
            return;
        }
        if to.is_closed() {
            return;
        }
        (since, before) = (until, now);
    }
}

/// Returns a file's text; empty where the kernel doesn't have it, because connection tracking isn't loaded.
fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The kernel counts a drop also for other reasons: a packet that a protocol's tracker refuses.
fn is_full(entries: Option<u64>, limit: Option<u64>) -> bool {
    // Without a limit (0) the table is never full.
    let of =
        |(entries, limit): (u64, u64)| limit > 0 && entries.saturating_mul(100) >= limit.saturating_mul(FULL);
    entries.zip(limit).is_some_and(of)
}

/// Returns the packets that connection tracking dropped, on all processors.
fn dropped(counters: &str) -> Option<u64> {
    let mut lines = counters.lines();
    let column = lines.next()?.split_whitespace().position(|name| name == "drop")?;
    let of = |line: &str| u64::from_str_radix(line.split_whitespace().nth(column)?, 16).ok();
    lines.map(of).sum()
}

#[cfg(test)]
mod tests;
