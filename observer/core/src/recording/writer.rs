//! Writing a recording.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use flow_model::input::Input;
use jiff::Timestamp;

use crate::recording::{Header, MAGIC, MAX_MEMBER, VERSION};

/// The most entries of a member. It bounds what a crash can cost; [`Writer::flush`] bounds it in time.
const MEMBER_ENTRIES: usize = 1024;

/// The uncompressed size at which a member is closed.
const MEMBER_BYTES: usize = 1 << 20;

/// Names why an entry was not written. The recording stays readable up to the last complete member.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file could not be written.
    #[error("writing the recording failed: {0}")]
    Io(#[from] io::Error),
    /// The input could not be turned into JSON.
    #[error("an input can't be recorded: {0}")]
    Encode(#[from] serde_json::Error),
    /// An entry is larger than readers accept.
    #[error("an input of {0} bytes is larger than a recording can hold ({MAX_MEMBER})")]
    TooLarge(usize),
}

/// Writes a recording. Call [`Writer::flush`] about once a second, and [`Writer::finish`] at the end:
/// dropping the writer loses the entries since the last flush.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    /// The current member, uncompressed.
    member: Vec<u8>,
    entries: usize,
}

impl<W: Write> Writer<W> {
    /// Writes the header at once, so that an empty recording is a valid one.
    ///
    /// # Errors
    /// Fails when `out` can't be written.
    pub fn new(out: W, header: &Header) -> Result<Self, WriteError> {
        let mut member = MAGIC.to_vec();
        member.extend_from_slice(&VERSION.to_le_bytes());
        let mut writer = Self { out, member, entries: 0 };
        writer.push(&serde_json::to_vec(header)?)?;
        writer.flush()?;
        Ok(writer)
    }

    /// Adds an input and the time at which the engine handled it.
    ///
    /// # Errors
    /// Fails when the entry can't be encoded, or a full member can't be written.
    pub fn write(&mut self, time: Timestamp, input: &Input) -> Result<(), WriteError> {
        self.push(&serde_json::to_vec(&(time, input))?)?;
        self.entries += 1;
        if self.entries >= MEMBER_ENTRIES || self.member.len() >= MEMBER_BYTES {
            self.close_member()?;
        }
        Ok(())
    }

    /// Makes everything written so far readable.
    ///
    /// # Errors
    /// Fails when `out` can't be written.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.close_member()?;
        Ok(self.out.flush()?)
    }

    /// Flushes and returns the output.
    ///
    /// # Errors
    /// Fails when `out` can't be written.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.flush()?;
        Ok(self.out)
    }

    fn push(&mut self, json: &[u8]) -> Result<(), WriteError> {
        let too_large = || WriteError::TooLarge(json.len());
        let size = json.len() + size_of::<u32>();
        if size > MAX_MEMBER {
            return Err(too_large());
        }
        if self.member.len() + size > MAX_MEMBER {
            self.close_member()?;
        }
        let len = u32::try_from(json.len()).map_err(|_| too_large())?;
        self.member.extend_from_slice(&len.to_le_bytes());
        self.member.extend_from_slice(json);
        Ok(())
    }

    /// Compresses in memory and writes at once, so that a crash leaves whole members behind.
    fn close_member(&mut self) -> Result<(), WriteError> {
        if self.member.is_empty() {
            return Ok(());
        }
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&self.member)?;
        let bytes = gzip.finish()?;
        self.member.clear();
        self.member.shrink_to(MEMBER_BYTES);
        self.entries = 0;
        Ok(self.out.write_all(&bytes)?)
    }
}
