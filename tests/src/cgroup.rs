//! A pod's cgroup, as the kubelet makes it, for sockets of a pod in the node's network.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

const MOUNTS: &str = "/proc/self/mounts";
const OWN: &str = "/proc/self/cgroup";

/// This process in a pod's cgroup; dropping it moves the process back and removes the cgroup. All threads move.
#[derive(Debug)]
pub struct InPod {
    /// The directories that were made, and where the process was before: one for each hierarchy.
    moved: Vec<(PathBuf, PathBuf)>,
}

/// A mounted hierarchy of cgroups.
struct Hierarchy {
    mount: PathBuf,
    /// The cgroup of this process, below the mount.
    own: PathBuf,
    unified: bool,
}

impl InPod {
    /// Moves this process into a container of the pod with this UID, in each hierarchy that the kubelet may use.
    ///
    /// # Errors
    /// Fails when no hierarchy is mounted, or the cgroup can't be made.
    pub fn enter(uid: &str) -> Result<Self> {
        let mut inside = Self { moved: Vec::new() };
        for hierarchy in hierarchies()? {
            let pod = hierarchy.mount.join("kubepods/besteffort").join(format!("pod{uid}"));
            let container = pod.join("0123456789abcdef");
            fs::create_dir_all(&container).with_context(|| container.display().to_string())?;
            inside.moved.push((container.clone(), hierarchy.own));
            join(&container)?;
        }
        ensure!(!inside.moved.is_empty(), "no hierarchy of cgroups is mounted");
        Ok(inside)
    }
}

impl Drop for InPod {
    fn drop(&mut self) {
        for (container, own) in &self.moved {
            if let Err(error) = join(own) {
                eprintln!("can't leave the cgroup {}: {error:#}", container.display());
            }
            // The container's, the pod's, its class' and that of all pods: each only if nobody else needs it.
            for made in container.ancestors().take(4) {
                drop(fs::remove_dir(made));
            }
        }
    }
}

/// Is true where Kubernetes would use the unified hierarchy: no controller has one of its own.
///
/// # Errors
/// Fails when the mounts can't be read.
pub fn is_unified() -> Result<bool> {
    Ok(hierarchies()?.iter().all(|hierarchy| hierarchy.unified))
}

fn join(cgroup: &Path) -> Result<()> {
    let procs = cgroup.join("cgroup.procs");
    fs::write(&procs, std::process::id().to_string()).with_context(|| procs.display().to_string())
}

/// Returns those hierarchies that name a pod: of the controllers `memory` and `pids`, and the unified one.
fn hierarchies() -> Result<Vec<Hierarchy>> {
    let (mounts, own) = (fs::read_to_string(MOUNTS)?, fs::read_to_string(OWN)?);
    let mut found = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(mount), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let controller = options.split(',').find(|option| matches!(*option, "memory" | "pids"));
        let of = match (kind, controller) {
            ("cgroup2", _) => "",
            ("cgroup", Some(controller)) => controller,
            _ => continue,
        };
        let path = own.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|one| one == of).then_some(path)
        });
        let path = path.with_context(|| format!("no cgroup of `{of}`"))?;
        let (mount, own) = (PathBuf::from(mount), Path::new(mount).join(path.trim_start_matches('/')));
        found.push(Hierarchy { mount, own, unified: of.is_empty() });
    }
    Ok(found)
}
