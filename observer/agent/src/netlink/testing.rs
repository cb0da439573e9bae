//! Network namespaces for tests on the real kernel. Needs root.

use std::fs::File;
use std::future::Future;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

/// Holds a network namespace by its descriptor. Nothing is mounted, so that it ends with this value.
pub(crate) struct Namespace {
    file: File,
}

impl Namespace {
    /// Makes one; the calling thread stays where it is.
    pub(crate) fn new() -> Self {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root: unshare(CLONE_NEWNET)");
            File::open("/proc/thread-self/ns/net").unwrap()
        };
        Self { file: std::thread::scope(|scope| scope.spawn(make).join().unwrap()) }
    }

    /// Runs `future` on a runtime whose thread is inside.
    pub(crate) fn block_on<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        self.inside(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(future)
        })
    }

    /// Runs `f` on a thread that is inside.
    pub(crate) fn inside<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            setns(&self.file, CloneFlags::CLONE_NEWNET).unwrap();
            f()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }

    /// Runs `ip` inside.
    pub(crate) fn ip(&self, arguments: &str) {
        let run = || Command::new("ip").args(arguments.split_whitespace()).status().unwrap();
        let status = self.inside(run);
        assert!(status.success(), "ip {arguments}: {status}");
    }

    /// Returns a path by which `ip ... netns PATH` finds it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}
