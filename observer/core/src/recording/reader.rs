//! Reading a recording, up to its end or the first damage.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use flow_model::input::Input;
use jiff::Timestamp;

use crate::recording::{Header, MAGIC, MAX_MEMBER, RecordingError, VERSION};

/// Reads a recording. As an iterator it returns entries, and ends after the last one or after the first error.
#[derive(Debug)]
pub struct Reader<R: Read> {
    source: Counting<R>,
    header: Header,
    /// The current member, verified and uncompressed, and the position in it.
    member: Vec<u8>,
    at: usize,
    /// The start of that member in the file.
    offset: u64,
    entries: u64,
    done: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Fails when the file is no recording, of a later version, or damaged in its first block.
    pub fn open(source: R) -> Result<Self, RecordingError> {
        let mut source = Counting { inner: BufReader::new(source), read: 0 };
        let first = match source.member() {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(RecordingError::NotARecording),
            Err(error) => return Err(first_member_error(error, source.read)),
        };
        let header = parse_header(&first)?;
        Ok(Self { source, header, member: Vec::new(), at: 0, offset: 0, entries: 0, done: false })
    }

    /// Returns the description of the recording.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the number of entries read so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    fn read_entry(&mut self) -> Result<Option<(Timestamp, Input)>, RecordingError> {
        while self.at >= self.member.len() {
            self.offset = self.source.read;
            match self.source.member() {
                Ok(Some(bytes)) => (self.member, self.at) = (bytes, 0),
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.member_error(error)),
            }
        }
        let rest = &self.member[self.at..];
        let json = prefixed(rest).ok_or_else(|| self.corrupt("an entry is longer than its block"))?;
        let entry =
            serde_json::from_slice(json).map_err(|e| self.corrupt(&format!("an entry is no input: {e}")))?;
        self.at += size_of::<u32>() + json.len();
        self.entries += 1;
        Ok(Some(entry))
    }

    fn member_error(&self, error: io::Error) -> RecordingError {
        let entries = self.entries;
        match classify(&error) {
            Damage::Truncated => RecordingError::Truncated { offset: self.source.read, entries },
            Damage::Corrupt => self.corrupt(&error.to_string()),
            Damage::Io => RecordingError::Io { offset: self.source.read, entries, source: error },
        }
    }

    fn corrupt(&self, why: &str) -> RecordingError {
        RecordingError::Corrupt { offset: self.offset, entries: self.entries, why: why.to_owned() }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<(Timestamp, Input), RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read_entry().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

/// Splits `[u32 length][bytes]` off the front.
fn prefixed(bytes: &[u8]) -> Option<&[u8]> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(u32::from_le_bytes(*len)).ok()?)
}

fn parse_header(member: &[u8]) -> Result<Header, RecordingError> {
    let rest = member.strip_prefix(MAGIC).ok_or(RecordingError::NotARecording)?;
    let corrupt = |why: String| RecordingError::Corrupt { offset: 0, entries: 0, why };
    let (version, rest) = rest.split_first_chunk::<4>().ok_or_else(|| corrupt("no version".to_owned()))?;
    let found = u32::from_le_bytes(*version);
    if found > VERSION {
        return Err(RecordingError::NewerVersion { found });
    }
    let json = prefixed(rest).ok_or_else(|| corrupt("the header is longer than its block".to_owned()))?;
    serde_json::from_slice(json).map_err(|e| corrupt(format!("the header is damaged: {e}")))
}

enum Damage {
    Truncated,
    Corrupt,
    Io,
}

/// Classifies an error of flate2: bad data is `InvalidInput` or `InvalidData`, a short file is `UnexpectedEof`.
fn classify(error: &io::Error) -> Damage {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Damage::Truncated,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Damage::Corrupt,
        _ => Damage::Io,
    }
}

/// Returns the error for a bad first block. A file that doesn't begin with gzip is of another kind, not a damaged
/// recording.
fn first_member_error(error: io::Error, offset: u64) -> RecordingError {
    match classify(&error) {
        Damage::Truncated => RecordingError::Truncated { offset, entries: 0 },
        Damage::Corrupt if error.to_string().contains("header") => RecordingError::NotARecording,
        Damage::Corrupt => RecordingError::Corrupt { offset: 0, entries: 0, why: error.to_string() },
        Damage::Io => RecordingError::Io { offset, entries: 0, source: error },
    }
}

/// Counts the bytes that the decompressor took, so that errors can name the position.
#[derive(Debug)]
struct Counting<R: Read> {
    inner: BufReader<R>,
    read: u64,
}

impl<R: Read> Counting<R> {
    /// Decompresses the next member and checks its CRC. Returns `None` at the end of the file.
    fn member(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.inner.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        GzDecoder::new(self).take(MAX_MEMBER as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MAX_MEMBER {
            let why = format!("a block is larger than {MAX_MEMBER} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Some(bytes))
    }
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.read += n as u64;
        Ok(n)
    }
}

impl<R: Read> BufRead for Counting<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
        self.read += amount as u64;
    }
}
