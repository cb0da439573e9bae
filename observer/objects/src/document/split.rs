//! A text of several documents to one piece for each.

/// A piece of a file between document markers.
pub(super) struct Chunk<'a> {
    /// This is the line of its first byte.
    pub(super) line: usize,
    pub(super) bytes: &'a [u8],
}

/// Splits at `---` and `...` lines. In YAML they separate documents at the start of any line, even inside a block scalar, and
/// a JSON string holds no line break, so no parsing is needed to find them.
pub(super) fn split(bytes: &[u8]) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 1, 0);
    for (index, line) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        let next = at + line.len();
        if is_marker(line, b"---") {
            chunks.push(Chunk { line: start_line, bytes: &bytes[start..at] });
            (start, start_line) = (at, index + 1);
        } else if is_marker(line, b"...") {
            chunks.push(Chunk { line: start_line, bytes: &bytes[start..at] });
            (start, start_line) = (next, index + 2);
        }
        at = next;
    }
    chunks.push(Chunk { line: start_line, bytes: &bytes[start..] });
    chunks.retain(|chunk| !is_blank(chunk.bytes));
    chunks
}

fn is_marker(line: &[u8], marker: &[u8]) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

/// Is true for text of nothing but markers, comments and directives.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.split(|b| *b == b'\n').all(|line| {
        let line = if is_marker(line, b"---") { &line[3..] } else { line };
        let content = line.trim_ascii();
        content.is_empty() || content.starts_with(b"#") || line.starts_with(b"%")
    })
}

/// Returns the text after a `---` marker at its start.
pub(super) fn skip_marker(text: &str) -> &str {
    if is_marker(text.as_bytes(), b"---") { &text[3..] } else { text }
}

/// Counts the line breaks.
pub(super) fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}
