//! What was taken out of the kernel's maps, written to a file before it is removed from them. An agent that is killed loses no
//! count then: the next one finds each either here or in the maps.
//!
//! No write is synced to the disk: a killed process leaves what it wrote with the kernel, and a machine that goes down takes
//! its maps with it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flow_model::input::Input;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::sealed;

/// The size from which entries that are part of a saved state are removed.
const COMPACT_BYTES: u64 = 256 << 10;
/// The largest size. It is reached only if the state could not be saved for long.
const MAX_BYTES: u64 = 16 << 20;

/// Where the counts of the maps stand when an entry is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Identifies the maps: they may have been replaced since.
    pub(super) maps: String,
    /// The generation that was drained last.
    pub(super) generation: Option<u32>,
    /// The totals of counters that are never reset.
    pub(super) remainder: Vec<u64>,
    pub(super) lost: Vec<u64>,
}

/// An entry: what the engine has to handle for the counts up to a position.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) position: Position,
    pub(super) inputs: Vec<Input>,
}

/// The settings of a journal.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// Its file.
    pub path: PathBuf,
    /// The newest entry that is part of the state with which the agent begins.
    pub handled: u64,
    /// The newest entry that is part of the state that the agent saved last.
    pub saved: Arc<AtomicU64>,
}

impl JournalSettings {
    /// Is true where the file has entries that are not part of the state with which the agent begins.
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        read(&self.path).is_ok_and(|entries| entries.last().is_some_and(|entry| entry.seq > self.handled))
    }
}

/// Owns the file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// The number of the newest entry.
    seq: u64,
    position: Position,
    saved: Arc<AtomicU64>,
}

impl Journal {
    /// Opens the file, or makes it. Returns the inputs that are not part of the state with which the agent begins.
    pub(super) fn open(settings: &JournalSettings) -> io::Result<(Self, Vec<Input>)> {
        let JournalSettings { path, handled, saved } = settings;
        let entries = read(path)?;
        let seq = entries.last().map_or(0, |entry| entry.seq).max(*handled);
        let position = entries.last().map(|entry| entry.position.clone()).unwrap_or_default();
        let file = File::options().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        let journal = Self { path: path.clone(), file, bytes, seq, position, saved: Arc::clone(saved) };
        let missed = entries.into_iter().filter(|entry| entry.seq > *handled);
        Ok((journal, missed.flat_map(|entry| entry.inputs).collect()))
    }

    /// Returns the position of the newest entry.
    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// Returns the number of the newest entry.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Writes an entry.
    pub(super) fn append(&mut self, position: Position, inputs: &[Input]) -> io::Result<()> {
        if self.bytes > COMPACT_BYTES && self.saved.load(Ordering::Acquire) >= self.seq {
            self.compact()?;
        }
        if self.bytes > MAX_BYTES {
            return Err(io::Error::other("it is full, because the state could not be saved for long"));
        }
        let seq = self.seq + 1;
        let line = line(&Entry { seq, position: position.clone(), inputs: inputs.to_vec() })?;
        self.file.write_all(line.as_bytes())?;
        self.bytes += line.len() as u64;
        (self.seq, self.position) = (seq, position);
        Ok(())
    }

    /// Replaces the file by one that has the newest position only.
    fn compact(&mut self) -> io::Result<()> {
        let line = line(&Entry { seq: self.seq, position: self.position.clone(), inputs: Vec::new() })?;
        let new = self.path.with_extension("new");
        fs::write(&new, &line)?;
        fs::rename(&new, &self.path)?;
        self.file = File::options().append(true).open(&self.path)?;
        self.bytes = line.len() as u64;
        Ok(())
    }
}

fn line(entry: &Entry) -> io::Result<String> {
    Ok(sealed::seal(&serde_json::to_string(entry)?))
}

/// Returns the entries that are whole. The last one may not be: its writer was killed, and had not touched the maps yet. It is
/// removed, so that the next entry begins a line.
fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => String::from_utf8_lossy(&text?).into_owned(),
    };
    let mut entries = Vec::new();
    let mut whole = 0;
    for line in text.split_inclusive('\n') {
        let sealed = line.strip_suffix('\n').and_then(sealed::open);
        let Some(entry) = sealed.and_then(|text| serde_json::from_str::<Entry>(text).ok()) else { break };
        whole += line.len();
        entries.push(entry);
    }
    if whole < text.len() {
        let rest = text.len() - whole;
        warn!(file = %path.display(), bytes = rest, "the end of the journal is not whole, and is removed");
        File::options().write(true).open(path)?.set_len(whole as u64)?;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
