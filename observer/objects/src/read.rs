//! A directory's files to objects. Only files that changed are read again.

mod file;
mod listing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::ClusterError;
use crate::kinds::Kind;
use crate::object::Object;
use crate::problem::{Extent, Problem};
use file::File;
use listing::{Listing, Stamp, probe};

pub(crate) use file::bytes;
pub(crate) use listing::{KUSTOMIZATIONS, is_chart, is_kustomization, manifest_files};

/// The files under a path, with the objects of each.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    files: BTreeMap<PathBuf, File>,
    /// These are problems of the directory, not of a file's content.
    listing: Vec<Problem>,
    /// This is the problem of all objects together.
    whole: Option<Problem>,
}

impl Files {
    /// Reads everything once.
    ///
    /// # Errors
    /// Fails when the path is missing or may not be read.
    pub fn open(root: &Path) -> Result<Self, ClusterError> {
        probe(root)?;
        let mut files =
            Self { root: root.to_owned(), files: BTreeMap::new(), listing: Vec::new(), whole: None };
        files.refresh(Instant::now());
        Ok(files)
    }

    /// Reads all files that changed, so that the result is one consistent state. Returns true if anything changed.
    pub fn refresh(&mut self, now: Instant) -> bool {
        let (found, listing) = match Listing::of(&self.root) {
            Ok(listing) => (listing.files, listing.problems),
            Err(error) => {
                // The directory is missing, perhaps while it is being replaced: its last content stays.
                let message = format!("can't be read: {error}; what it last gave is kept");
                let listing = vec![Problem::of_file(&self.root, Extent::Files, message)];
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
        if changed {
            self.whole = self.without_backends();
        }
        changed
    }

    /// Returns the objects of all files, in the order of the files' names.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.files.values().flat_map(File::objects)
    }

    /// Returns everything that is wrong now.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.listing.iter().chain(&self.whole).chain(self.files.values().flat_map(File::problems))
    }

    /// Returns the problem of a dump that holds the backends of Services in the older kind only.
    fn without_backends(&self) -> Option<Problem> {
        let has = |kind: &str| self.objects().any(|object| object.id.kind == kind);
        let lacking = has("Endpoints") && !has(Kind::EndpointSlice.name());
        let message = "has Endpoints, which are not read, and no EndpointSlices, which are: add endpointslices to the dump; \
                       without them the backends of a Service are the pods that its selector finds";
        lacking.then(|| Problem::of_file(&self.root, Extent::Files, message))
    }

    fn refresh_file(&mut self, path: PathBuf, stamp: Stamp, now: Instant) -> bool {
        let old = self.files.remove(&path);
        match old {
            Some(file) if file.is_current(stamp, now) => {
                self.files.insert(path, file);
                false
            }
            old => {
                let file = File::read(&path, stamp, old, now);
                self.files.insert(path, file);
                true
            }
        }
    }
}
