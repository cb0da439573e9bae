//! Decides when to read again: inotify events are gathered until the writer has finished.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Events closer together than this are one change.
const QUIET: Duration = Duration::from_millis(75);

/// The longest wait while events continue.
const BUSY: Duration = Duration::from_millis(500);

/// The longest wait until a file that is being written is closed.
const OPEN: Duration = Duration::from_secs(2);

/// At most this many files are remembered as being written. For others a writer's pause counts as its end.
const MAX_OPEN: usize = 1024;

/// Watches a path. Dropping it ends the watch.
#[derive(Debug)]
pub(super) struct Watch {
    root: PathBuf,
    changes: Arc<Changes>,
    /// Is `None` when inotify refused; then the caller's sweep finds changes.
    watcher: Option<RecommendedWatcher>,
    /// Identifies the watched directory: one that was replaced has another inode.
    inode: Option<(u64, u64)>,
}

/// Holds the changes since the last reading.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pending: Mutex<Pending>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    /// These are the first and the last event since the last reading.
    events: Option<(Instant, Instant)>,
    /// These files were written to and are not yet closed.
    open: HashSet<PathBuf>,
}

impl Watch {
    /// Starts watching. Changes from here on are reported.
    pub(super) fn new(root: &Path) -> Self {
        let changes = Arc::default();
        let mut watch = Self { root: root.to_owned(), changes, watcher: None, inode: None };
        watch.renew();
        watch
    }

    /// Returns the changes, which all clones share.
    pub(super) fn changes(&self) -> Arc<Changes> {
        Arc::clone(&self.changes)
    }

    /// Watches the path again if it is no longer the watched directory.
    pub(super) fn renew(&mut self) {
        let inode = fs::metadata(target(&self.root).0).ok().map(|meta| (meta.dev(), meta.ino()));
        if inode == self.inode {
            return;
        }
        self.inode = inode;
        self.watcher = None;
        if inode.is_some() {
            match start(&self.root, Arc::clone(&self.changes)) {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => tracing::warn!(
                    path = %self.root.display(), %error,
                    "inotify refused; changes are found by looking every 2 s (fs.inotify.max_user_instances or \
                     max_user_watches may be too low)"
                ),
            }
        }
    }
}

/// Returns the directory to watch, and how deep. For a file it is the parent directory, which gets the event when another file
/// is renamed over it.
fn target(root: &Path) -> (&Path, RecursiveMode) {
    if root.is_dir() {
        return (root, RecursiveMode::Recursive);
    }
    let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty());
    (parent.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)
}

fn start(root: &Path, changes: Arc<Changes>) -> notify::Result<RecommendedWatcher> {
    let (directory, mode) = target(root);
    let only = (mode == RecursiveMode::NonRecursive).then(|| root.file_name().map(OsString::from)).flatten();
    let handler = move |event: notify::Result<Event>| match event {
        Ok(event) if concerns(&event, only.as_deref()) => changes.add(&event),
        Ok(_) => {}
        Err(_) => changes.touch(),
    };
    let mut watcher = notify::recommended_watcher(handler)?;
    watcher.watch(directory, mode)?;
    Ok(watcher)
}

/// Is true for events that mean a change. Reading is none, and the agent's own reading makes such events. Beside a single file
/// only names like `..data` matter, for the update of a mounted ConfigMap.
fn concerns(event: &Event, only: Option<&std::ffi::OsStr>) -> bool {
    let change = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    let named = |path: &PathBuf| {
        path.file_name().is_none_or(|name| Some(name) == only || name.as_encoded_bytes().starts_with(b".."))
    };
    change && (only.is_none() || event.need_rescan() || event.paths.iter().any(named))
}

impl Changes {
    /// Waits for a change, then until its writer has finished. It is cancel-safe: a change is forgotten only when this returns.
    pub(super) async fn settled(&self) {
        loop {
            match self.due() {
                None => self.wake.notified().await,
                Some(due) if due <= Instant::now() => break,
                // An event may bring it forward: a file is closed.
                Some(due) => drop(tokio::time::timeout_at(due, self.wake.notified()).await),
            }
        }
        self.pending.lock().events = None;
    }

    /// Is true without events since the last reading: then a sweep can't read a half-written file.
    pub(super) fn quiet(&self) -> bool {
        self.pending.lock().events.is_none()
    }

    /// Returns when to read the changes so far.
    fn due(&self) -> Option<Instant> {
        let mut pending = self.pending.lock();
        let (first, last) = pending.events?;
        if pending.open.is_empty() {
            return Some((last + QUIET).min(first + BUSY));
        }
        let due = first + OPEN;
        if due <= Instant::now() {
            // A writer keeps a file open. It is waited for again only after its next write.
            pending.open.clear();
        }
        Some(due)
    }

    fn add(&self, event: &Event) {
        let mut pending = self.pending.lock();
        for path in &event.paths {
            match event.kind {
                EventKind::Modify(ModifyKind::Data(_)) if pending.open.len() < MAX_OPEN => {
                    pending.open.insert(path.clone());
                }
                EventKind::Access(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
                    pending.open.remove(path);
                }
                _ => {}
            }
        }
        drop(pending);
        self.touch();
    }

    fn touch(&self) {
        let now = Instant::now();
        let mut pending = self.pending.lock();
        let first = pending.events.map_or(now, |(first, _)| first);
        pending.events = Some((first, now));
        drop(pending);
        self.wake.notify_one();
    }
}
