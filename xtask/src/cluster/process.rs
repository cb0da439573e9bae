//! Processes that outlive this program. A file names each by number and start, because numbers are used again.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// From SIGKILL to the end of a process and of all that it takes along.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Writes a process into a file.
pub(super) fn record(file: &Path, pid: u32) -> io::Result<()> {
    fs::write(file, format!("{pid} {}", started(pid).unwrap_or_default()))
}

/// Returns the process that a file names, if it still runs.
pub(super) fn recorded(file: &Path) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    let (pid, start) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    (is_alive(pid) && started(pid).as_deref() == Some(start)).then_some(pid)
}

/// Ends the process that a file names, if it still runs, and waits for its end.
pub(super) fn end_recorded(file: &Path) {
    let Some(pid) = recorded(file) else { return };
    end(pid);
    let until = Instant::now() + PATIENCE;
    while recorded(file).is_some() && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends SIGKILL. A process that has ended already is no error.
pub(super) fn end(pid: u32) {
    if let Ok(raw) = i32::try_from(pid) {
        kill(Pid::from_raw(raw), Signal::SIGKILL).unwrap_or_default();
    }
}

pub(super) fn is_alive(pid: u32) -> bool {
    field(pid, 0).is_some_and(|state| state != "Z")
}

/// Returns the first child of a process.
pub(super) fn child(pid: u32) -> Option<u32> {
    let parent = pid.to_string();
    let pids = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| field(*pid, 1).as_deref() == Some(&parent))
}

/// Returns the time of a process's start, in ticks since the machine's.
fn started(pid: u32) -> Option<String> {
    field(pid, 19)
}

/// Returns a field of `/proc/PID/stat`, counted from the one after the program's name.
fn field(pid: u32, index: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split_whitespace().nth(index).map(str::to_owned)
}

#[cfg(test)]
mod tests;
