//! A file and its objects.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::document::{self, Document};
use crate::object::{Object, ObjectId};
use crate::problem::{Extent, Problem};
use crate::read::listing::{Stamp, is_chart, is_kustomization};
use crate::{item, list};

/// Larger files are refused, so that the agent stays small.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// The time for which a damaged file keeps the objects that it gave before. It is long enough for a slow
/// `kubectl get > file` to finish, and short enough that deleted pods don't stay because of a lasting mistake.
const GRACE: Duration = Duration::from_secs(30);

/// What is wrong with a snapshot where objects are expected.
const SNAPSHOT: &str = "a file of `flow-observer snapshot`, which `explain` and `audit --flows` read by itself, not among other files";

/// A file and its objects.
#[derive(Debug)]
pub(super) struct File {
    stamp: Stamp,
    content: Content,
    /// Set while `content` holds objects from before the file was damaged.
    kept_since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Content {
    objects: Vec<Object>,
    problems: Vec<Problem>,
    /// A document didn't parse, or the file is empty: missing objects may only be unreadable.
    damaged: bool,
}

/// Reads a file. The problem is why it can't be read.
pub(crate) fn bytes(path: &Path, size: u64) -> Result<Vec<u8>, Problem> {
    if size > MAX_FILE_BYTES {
        let message = format!("larger than {} MiB: left out", MAX_FILE_BYTES >> 20);
        return Err(Problem::of_file(path, Extent::Unreadable, message));
    }
    fs::read(path)
        .map_err(|error| Problem::of_file(path, Extent::Unreadable, format!("can't be read: {error}")))
}

impl File {
    /// Reads a file. A damaged one keeps objects of the `old` content for [`GRACE`].
    pub(super) fn read(path: &Path, stamp: Stamp, old: Option<Self>, now: Instant) -> Self {
        let mut content = Content::of(path, stamp.size);
        let mut kept_since = None;
        if content.damaged
            && let Some(old) = old.filter(|old| old.is_in_grace(now))
            && content.keep(old.content.objects)
        {
            kept_since = old.kept_since.or(Some(now));
            // Nothing is missing for now, so nothing is uncertain.
            content.problems.iter_mut().for_each(|problem| problem.extent = Extent::Files);
            let message = "parts can't be read; what the file gave before is kept for 30 s";
            content.problems.push(Problem::of_file(path, Extent::Files, message));
        }
        Self { stamp, content, kept_since }
    }

    /// Is true when the file need not be read again.
    pub(super) fn is_current(&self, stamp: Stamp, now: Instant) -> bool {
        self.stamp == stamp && self.is_in_grace(now)
    }

    /// Returns the objects of the file.
    pub(super) fn objects(&self) -> &[Object] {
        &self.content.objects
    }

    /// Returns everything that is wrong in the file.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.content.problems
    }

    fn is_in_grace(&self, now: Instant) -> bool {
        self.kept_since.is_none_or(|since| now.duration_since(since) < GRACE)
    }
}

impl Content {
    fn of(path: &Path, size: u64) -> Self {
        if let Some(why) = unrendered(path) {
            return Self {
                problems: vec![Problem::of_file(path, Extent::Unreadable, why)],
                ..Self::default()
            };
        }
        match bytes(path, size) {
            Ok(bytes) => Self::parse(path, &bytes),
            Err(problem) => Self { problems: vec![problem], damaged: true, ..Self::default() },
        }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Self {
        let mut content = Self { damaged: bytes.trim_ascii().is_empty(), ..Self::default() };
        for document in document::parse(bytes) {
            match document {
                Ok(document) => content.add(path, document),
                Err(broken) => {
                    content.damaged = true;
                    content.problems.push(Problem::of_document(path, broken));
                }
            }
        }
        content
    }

    fn add(&mut self, path: &Path, document: Document) {
        let line = document.line;
        if is_snapshot(&document.value) {
            self.problems.push(Problem::of_file(path, Extent::Unreadable, SNAPSHOT));
            return;
        }
        let list::Items { items, lost } = list::items(document);
        self.problems.extend(lost.iter().map(|repeated| Problem::of_list(path, line, repeated)));
        let mut notes = Vec::new();
        for item in items {
            let line = item.line;
            self.objects.extend(item::object(item, &mut notes));
            self.problems.extend(notes.drain(..).map(|note| Problem::of_note(path, line, note)));
        }
    }

    /// Adds the old objects that are not in the new content. Returns true if there are any.
    fn keep(&mut self, old: Vec<Object>) -> bool {
        let present: HashSet<ObjectId> = self.objects.iter().map(|object| object.id.clone()).collect();
        let before = self.objects.len();
        self.objects.extend(old.into_iter().filter(|object| !present.contains(&object.id)));
        self.objects.len() != before
    }
}

/// Is true for what `flow-observer snapshot` writes.
fn is_snapshot(value: &Value) -> bool {
    value["kind"].is_null() && value["version"].is_u64() && value["inventory"].is_object()
}

/// Returns why a file holds no objects by itself.
fn unrendered(path: &Path) -> Option<&'static str> {
    if is_kustomization(path) {
        return Some(item::KUSTOMIZATION);
    }
    is_chart(path).then_some("a chart, which must be rendered first: use the output of `helm template`")
}
