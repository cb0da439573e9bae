//! Ending a cluster: by the processes that hold its nodes, which take everything in them along.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::forward::FORWARDED;
use super::node::KUBELET;
use super::place::Place;
use crate::cache::Cache;
use crate::run::{capture, report_step};

/// From SIGKILL to the end of a node's processes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stops everything that belongs to the cluster, however much of it was started.
pub(super) fn down(place: &Place) -> Result<()> {
    if !place.dir().exists() {
        report_step(&format!("no cluster `{}` is running", place.name()));
        return Ok(());
    }
    for name in FORWARDED {
        end_recorded(&place.dir().join(format!("{name}-forward.pid")));
    }
    for node in dirs(place.dir()) {
        end_recorded(&place.dir().join(&node).join("outer.pid"));
    }
    for namespace in namespaces(place)? {
        end_in(&namespace)?;
        capture(Command::new("ip").args(["netns", "del", &namespace]))?;
    }
    remove_cgroups(place)?;
    fs::remove_dir_all(place.dir()).with_context(|| place.dir().display().to_string())?;
    if dirs(Cache::open("clusters")?.path("").as_path()).is_empty() {
        // Only if nothing is in it: a kubelet of the machine's own keeps it.
        fs::remove_dir(KUBELET).unwrap_or_default();
    }
    report_step(&format!("cluster `{}` is stopped, and everything of it is removed", place.name()));
    Ok(())
}

/// A process with the time of its start, so that a later one with the same number is not taken for it.
pub(super) fn identity(pid: u32) -> String {
    format!("{pid} {}", started(pid).unwrap_or_default())
}

pub(super) fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != "Z")
}

/// The first child of a process.
pub(super) fn child(pid: u32) -> Option<u32> {
    let parent = pid.to_string();
    let pids = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| field(*pid, 1).as_deref() == Some(&parent))
}

/// Ends the process that a file names, if it still runs, and waits for its end.
fn end_recorded(file: &Path) {
    let Ok(text) = fs::read_to_string(file) else { return };
    let mut words = text.split_whitespace();
    let (pid, start) = (words.next().and_then(|pid| pid.parse().ok()), words.next().map(str::to_owned));
    let Some(pid) = pid.filter(|pid| started(*pid) == start && start.is_some()) else { return };
    let Ok(raw) = i32::try_from(pid) else { return };
    kill(Pid::from_raw(raw), Signal::SIGKILL).unwrap_or_default();
    let end = Instant::now() + PATIENCE;
    while is_alive(pid) && Instant::now() < end {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Ends what still runs in a network namespace: the LAN's hosts have no process that takes theirs along.
fn end_in(namespace: &str) -> Result<()> {
    let pids = capture(Command::new("ip").args(["netns", "pids", namespace]))?;
    for pid in pids.lines().filter_map(|line| line.trim().parse().ok()) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap_or_default();
    }
    Ok(())
}

fn started(pid: u32) -> Option<String> {
    field(pid, 19)
}

fn state(pid: u32) -> Option<String> {
    field(pid, 0)
}

/// A field of `/proc/PID/stat`, counted from the one after the program's name.
fn field(pid: u32, index: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(index).map(str::to_owned)
}

fn dirs(of: &Path) -> Vec<String> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn namespaces(place: &Place) -> Result<Vec<String>> {
    let prefix = place.namespace("");
    let all = capture(Command::new("ip").args(["netns", "list"]))?;
    let names = all.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names
        .filter(|name| name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('-')))
        .map(str::to_owned)
        .collect())
}

/// The cgroups that the nodes had; they are empty now.
fn remove_cgroups(place: &Place) -> Result<()> {
    let prefix = place.namespace("");
    let root = Path::new("/sys/fs/cgroup");
    let trees = dirs(root).into_iter().map(|name| root.join(name)).chain([root.to_owned()]);
    for tree in trees {
        for name in dirs(&tree).into_iter().filter(|name| name.starts_with(&prefix)) {
            let end = Instant::now() + PATIENCE;
            // A process that was killed leaves its cgroup a moment after its end.
            while remove_tree(&tree.join(&name)).is_err() && Instant::now() < end {
                thread::sleep(Duration::from_millis(50));
            }
            let path = tree.join(&name);
            anyhow::ensure!(!path.exists(), "{} could not be removed", path.display());
        }
    }
    Ok(())
}

/// Directories only: the files in a cgroup can't be removed and go with it.
fn remove_tree(cgroup: &Path) -> std::io::Result<()> {
    for child in dirs(cgroup) {
        remove_tree(&cgroup.join(child))?;
    }
    fs::remove_dir(cgroup)
}

#[cfg(test)]
mod tests;
