//! Ending a cluster: by the processes that hold its nodes, which take everything in them along.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::place::Place;
use super::process::{PATIENCE, end, end_recorded};
use crate::cache::Cache;
use crate::run::{capture, report_step};

/// Stops everything that belongs to the cluster, however much of it was started.
pub(super) fn down(place: &Place) -> Result<()> {
    let was_there = place.dir().exists();
    for entry in fs::read_dir(place.dir()).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "pid") {
            end_recorded(&entry.path());
        }
    }
    for namespace in namespaces(place)? {
        end_in(&namespace)?;
        ip(&["del", &namespace])?;
    }
    remove_cgroups(place)?;
    // Where it was put, and where it would be put now: after a reboot only the data are left.
    for dir in [place.data(), Cache::open("cluster-data")?.path(place.name()), place.dir().to_owned()] {
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| dir.display().to_string())?;
        }
    }
    let name = place.name();
    report_step(&if was_there {
        format!("cluster `{name}` is stopped, and everything of it is removed")
    } else {
        format!("no cluster `{name}` is running")
    });
    Ok(())
}

/// Ends what still runs in a network namespace: the LAN's hosts have no process that takes theirs along.
fn end_in(namespace: &str) -> Result<()> {
    let pids = ip(&["pids", namespace])?;
    pids.lines().filter_map(|line| line.trim().parse().ok()).for_each(end);
    Ok(())
}

/// Runs `ip netns` in a group of its own: a Ctrl-C that ends a cluster must not end what removes it.
fn ip(args: &[&str]) -> Result<String> {
    capture(Command::new("ip").arg("netns").args(args).process_group(0))
}

/// Returns the names of the directories in a directory.
pub(super) fn dirs(of: &Path) -> Vec<String> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn namespaces(place: &Place) -> Result<Vec<String>> {
    let prefix = place.namespace("");
    let all = ip(&["list"])?;
    let names = all.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| name.starts_with(&prefix)).map(str::to_owned).collect())
}

/// The cgroups that the nodes had; they are empty now.
fn remove_cgroups(place: &Place) -> Result<()> {
    let prefix = place.namespace("");
    let root = Path::new("/sys/fs/cgroup");
    // Hierarchies of v1, and the only one of v2.
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
