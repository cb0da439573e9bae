//! A directory's files to objects, re-reading only what changed.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arcstr::ArcStr;

use crate::document::{self, Document};
use crate::object::Object;
use crate::{ClusterError, Problem, list};
use flow_model::object_ref::ObjectRef;

/// Larger files are refused rather than loaded into an agent that promises to be small.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// More files than any export has: somebody named the wrong directory.
const MAX_FILES: usize = 10_000;

/// Directories below the named one.
const MAX_DEPTH: usize = 16;

/// How long a file that is damaged keeps what it gave before. Long enough for a slow `kubectl get > file`
/// to finish, short enough that a mistake that stays doesn't keep deleted pods alive.
const GRACE: Duration = Duration::from_secs(30);

/// The files under a path and what each gives.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    files: BTreeMap<PathBuf, File>,
    /// About the directory, not about a file's content.
    listing: Vec<Problem>,
}

#[derive(Debug)]
struct File {
    stamp: Stamp,
    content: Content,
    /// Set while `content` holds objects from before the file was damaged.
    kept_since: Option<Instant>,
}

/// What tells that a file changed. The change time catches what keeps size and modification time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

#[derive(Debug, Default)]
struct Content {
    objects: Vec<Object>,
    problems: Vec<Problem>,
    /// A document didn't parse, or there is nothing at all: what is missing may only be unreadable.
    damaged: bool,
}

/// Files with their sizes, and what is wrong with the listing.
type Found = (Vec<(PathBuf, u64)>, Vec<Problem>);

/// The files that a path stands for: those of a directory, or itself.
pub(super) fn manifest_files(root: &Path) -> Result<Found, ClusterError> {
    probe(root)?;
    let listing =
        Listing::of(root).map_err(|source| ClusterError::Unreadable { path: root.to_owned(), source })?;
    Ok((listing.files.into_iter().map(|(path, stamp)| (path, stamp.size)).collect(), listing.problems))
}

/// A file's content, or why there is none.
pub(super) fn bytes(path: &Path, size: u64) -> Result<Vec<u8>, String> {
    if size > MAX_FILE_BYTES {
        return Err(format!("larger than {} MiB: left out", MAX_FILE_BYTES >> 20));
    }
    fs::read(path).map_err(|error| format!("can't be read: {error}"))
}

impl Files {
    /// Reads everything once.
    pub fn open(root: &Path) -> Result<Self, ClusterError> {
        probe(root)?;
        let mut files = Self { root: root.to_owned(), files: BTreeMap::new(), listing: Vec::new() };
        files.refresh(Instant::now());
        Ok(files)
    }

    /// Reads what changed since, as a whole: the result is one picture. True if anything did.
    pub fn refresh(&mut self, now: Instant) -> bool {
        let (found, listing) = match Listing::of(&self.root) {
            Ok(listing) => (listing.files, listing.problems),
            Err(error) => {
                // The directory is gone, perhaps while it is being replaced: the last picture stays.
                let message = format!("can't be read: {error}; what it last gave is kept");
                let listing = vec![Problem { file: self.root.clone(), line: 0, message }];
                let changed = listing != self.listing;
                self.listing = listing;
                return changed;
            }
        };
        let before = self.files.len();
        self.files.retain(|path, _| found.contains_key(path));
        let mut changed = self.files.len() != before || listing != self.listing;
        self.listing = listing;
        for (path, stamp) in found {
            changed |= self.refresh_file(path, stamp, now);
        }
        changed
    }

    /// Everything the files give, in the order of their names.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.files.values().flat_map(|file| &file.content.objects)
    }

    /// Everything that is wrong now.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.listing.iter().chain(self.files.values().flat_map(|file| &file.content.problems))
    }

    fn refresh_file(&mut self, path: PathBuf, stamp: Stamp, now: Instant) -> bool {
        let old = self.files.remove(&path);
        let in_grace = |f: &File| f.kept_since.is_none_or(|since| now.duration_since(since) < GRACE);
        match old {
            Some(file) if file.stamp == stamp && in_grace(&file) => {
                self.files.insert(path, file);
                false
            }
            old => {
                let file = File::read(&path, stamp, old.filter(in_grace), now);
                self.files.insert(path, file);
                true
            }
        }
    }
}

impl File {
    fn read(path: &Path, stamp: Stamp, old: Option<Self>, now: Instant) -> Self {
        let mut content = Content::of(path, stamp.size);
        let mut kept_since = None;
        if content.damaged
            && let Some(old) = old
            && content.keep(old.content.objects)
        {
            kept_since = old.kept_since.or(Some(now));
            let message = "parts can't be read; what the file gave before is kept for 30 s".to_owned();
            content.problems.push(Problem { file: path.to_owned(), line: 0, message });
        }
        Self { stamp, content, kept_since }
    }
}

impl Content {
    fn of(path: &Path, size: u64) -> Self {
        match bytes(path, size) {
            Ok(bytes) => Self::parse(path, &bytes),
            Err(message) => Self::unreadable(path, message),
        }
    }

    fn unreadable(path: &Path, message: String) -> Self {
        let problem = Problem { file: path.to_owned(), line: 0, message };
        Self { problems: vec![problem], damaged: true, ..Self::default() }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Self {
        let mut content = Self { damaged: bytes.trim_ascii().is_empty(), ..Self::default() };
        for document in document::parse(bytes) {
            match document {
                Ok(document) => content.add(path, document),
                Err(broken) => {
                    content.damaged = true;
                    let (line, message) = (broken.line, broken.message);
                    content.problems.push(Problem { file: path.to_owned(), line, message });
                }
            }
        }
        content
    }

    fn add(&mut self, path: &Path, document: Document) {
        let mut notes = Vec::new();
        for item in list::items(document.value) {
            let place = item.place();
            self.objects.extend(Object::from_value(item.value, &mut notes));
            self.problems.extend(notes.drain(..).map(|note| Problem {
                file: path.to_owned(),
                line: document.line,
                message: format!("{place}{note}"),
            }));
        }
    }

    /// Adds the objects that it lacks. True if there are any.
    fn keep(&mut self, old: Vec<Object>) -> bool {
        let have: HashSet<(ArcStr, ObjectRef)> =
            self.objects.iter().map(|o| (o.kind.clone(), o.key.clone())).collect();
        let before = self.objects.len();
        self.objects.extend(old.into_iter().filter(|o| !have.contains(&(o.kind.clone(), o.key.clone()))));
        self.objects.len() != before
    }
}

impl From<&Metadata> for Stamp {
    fn from(meta: &Metadata) -> Self {
        Self {
            file: (meta.dev(), meta.ino()),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// The files to read, found anew each time.
#[derive(Default)]
struct Listing {
    files: BTreeMap<PathBuf, Stamp>,
    problems: Vec<Problem>,
    /// Directories on the way, so that a symlink to a parent ends.
    seen: HashSet<(u64, u64)>,
    full: bool,
}

impl Listing {
    fn of(root: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        let meta = fs::metadata(root)?;
        if !meta.is_dir() {
            listing.files.insert(root.to_owned(), (&meta).into());
            return Ok(listing);
        }
        listing.directory(root, &meta, 0)?;
        if listing.files.is_empty() {
            listing.problem(root, "holds no *.yaml, *.yml or *.json file");
        }
        Ok(listing)
    }

    fn directory(&mut self, path: &Path, meta: &Metadata, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH || !self.seen.insert((meta.dev(), meta.ino())) {
            return Ok(());
        }
        for entry in fs::read_dir(path)? {
            self.entry(&entry?.path(), depth);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, depth: usize) {
        // Also leaves out `..data` and the dated directories of a mounted ConfigMap: its files are
        // symlinks beside them.
        if path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            return;
        }
        let result = match fs::metadata(path) {
            // Renamed or removed since the directory was listed: an event for that is on its way.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
            Ok(meta) if meta.is_dir() => self.directory(path, &meta, depth + 1),
            Ok(meta) if meta.is_file() && is_manifest(path) => {
                self.file(path, &meta);
                Ok(())
            }
            Ok(_) => Ok(()),
        };
        if let Err(error) = result {
            self.problem(path, &format!("can't be read: {error}"));
        }
    }

    fn file(&mut self, path: &Path, meta: &Metadata) {
        if self.files.len() < MAX_FILES {
            self.files.insert(path.to_owned(), meta.into());
        } else if !std::mem::replace(&mut self.full, true) {
            self.problem(path, &format!("more than {MAX_FILES} files: this and others are left out"));
        }
    }

    fn problem(&mut self, path: &Path, message: &str) {
        self.problems.push(Problem { file: path.to_owned(), line: 0, message: message.to_owned() });
    }
}

/// Whether the path is there and may be read.
fn probe(root: &Path) -> Result<(), ClusterError> {
    let opened = fs::metadata(root).and_then(|meta| match meta.is_dir() {
        true => fs::read_dir(root).map(drop),
        false => fs::File::open(root).map(drop),
    });
    let path = || root.to_owned();
    opened.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ClusterError::Missing { path: path() },
        _ => ClusterError::Unreadable { path: path(), source },
    })
}

fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| matches!(e, "yaml" | "yml" | "json"))
}
