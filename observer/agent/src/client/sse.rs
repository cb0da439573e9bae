//! Server-sent events, as far as agents use them.

use bytes::BytesMut;

/// Longest line, in bytes. A record has a few hundred, so a longer line doesn't come from an agent.
const MAX_LINE: usize = 1 << 20;

/// An event. Keep-alives and the first event of a stream have only an id.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) data: Option<String>,
}

/// A line is longer than [`MAX_LINE`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Cuts a stream of bytes into events, independent of how the bytes arrive.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    buffer: BytesMut,
    /// Number of leading bytes of the buffer that are known to hold no line end.
    scanned: usize,
    event: Event,
}

impl Parser {
    /// Takes the next bytes of the stream.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete event, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// Fails when a line is longer than any agent sends.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, TooLong> {
        while let Some(line) = self.line()? {
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if event != Event::default() {
                    return Ok(Some(event));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => self.event.id = Some(value.to_owned()),
                "data" => match &mut self.event.data {
                    Some(data) => data.extend(["\n", value]),
                    None => self.event.data = Some(value.to_owned()),
                },
                // A comment, or a field without meaning for us.
                _ => {}
            }
        }
        Ok(None)
    }

    /// Returns true when another complete event has arrived.
    pub(crate) fn has_more(&self) -> bool {
        self.buffer.windows(2).any(|bytes| bytes == b"\n\n")
    }

    fn line(&mut self) -> Result<Option<String>, TooLong> {
        let Some(end) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.buffer.len();
            return if self.scanned > MAX_LINE { Err(TooLong) } else { Ok(None) };
        };
        let line = self.buffer.split_to(self.scanned + end + 1);
        self.scanned = 0;
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(Some(String::from_utf8_lossy(line).into_owned()))
    }
}

#[cfg(test)]
mod tests;
