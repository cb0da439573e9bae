//! A file's bytes to documents, each with the line where it starts. A bad document does not affect the others.

mod old_booleans;

use serde::Deserialize as _;
use serde_json::Value;

/// A parsed document.
#[derive(Debug, PartialEq)]
pub(crate) struct Document {
    /// This is the line of its first content, from 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// A document that can't be parsed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Line of the error if the parser names it, else of the document.
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Splits and parses YAML with several documents, JSON with several values one after the other, or both.
pub(crate) fn parse(bytes: &[u8]) -> Vec<Result<Document, Broken>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut out = Vec::new();
    for chunk in split(bytes) {
        parse_chunk(&chunk, &mut out);
    }
    out
}

/// A piece of a file between document markers.
struct Chunk<'a> {
    /// This is the line of its first byte.
    line: usize,
    bytes: &'a [u8],
}

/// Splits at `---` and `...` lines. In YAML they separate documents at the start of any line, even inside a block scalar, and
/// a JSON string holds no line break, so no parsing is needed to find them.
fn split(bytes: &[u8]) -> Vec<Chunk<'_>> {
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

fn parse_chunk(chunk: &Chunk<'_>, out: &mut Vec<Result<Document, Broken>>) {
    let text = match std::str::from_utf8(chunk.bytes) {
        Ok(text) => text,
        Err(e) => {
            let line = chunk.line + newlines(&chunk.bytes[..e.valid_up_to()]);
            out.push(Err(Broken { line, message: "not UTF-8 text".to_owned() }));
            return;
        }
    };
    let body = skip_marker(text);
    if body.trim_start().starts_with('{') {
        let line = chunk.line + newlines(&text.as_bytes()[..text.len() - body.len()]);
        if parse_json(body, line, out) {
            return;
        }
    }
    out.extend(parse_yaml(text, chunk.line).transpose());
}

fn parse_yaml(text: &str, line: usize) -> Result<Option<Document>, Broken> {
    match Value::deserialize(serde_yaml_ng::Deserializer::from_str(text)) {
        Ok(Value::Null) => Ok(None),
        Ok(value) => {
            let again = |text: &str| Value::deserialize(serde_yaml_ng::Deserializer::from_str(text)).ok();
            let value = old_booleans::restore(text, value, again);
            Ok(Some(Document { line: line + leading_lines(text), value }))
        }
        Err(error) => {
            // If the text ends without a line break, the parser counts one line more at its end.
            let at =
                error.location().map_or(0, |l| l.line().saturating_sub(1)).min(newlines(text.as_bytes()));
            Err(Broken { line: line + at, message: format!("not valid YAML: {}", yaml_message(&error)) })
        }
    }
}

/// Returns the error without its position, which counts from the document and not from the file.
fn yaml_message(error: &serde_yaml_ng::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// Reads JSON values one after the other. Returns false if the text is YAML in flow style: its first value is valid YAML but
/// no JSON.
fn parse_json(text: &str, line: usize, out: &mut Vec<Result<Document, Broken>>) -> bool {
    let mut rest = text;
    let mut first = true;
    while !rest.trim_start().is_empty() {
        let skipped = rest.len() - rest.trim_start().len();
        let start = text.len() - rest.len() + skipped;
        let start_line = line + newlines(&text.as_bytes()[..start]);
        let mut stream = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => {
                rest = &text[start + stream.byte_offset()..];
                out.push(Ok(Document { line: start_line, value }));
            }
            Some(Err(error)) => {
                if first && parse_yaml(text, line).is_ok() {
                    return false;
                }
                out.push(Err(Broken {
                    line: start_line + error.line().saturating_sub(1),
                    message: json_message(&error),
                }));
                rest = resume(&text[start..]);
            }
            None => break,
        }
        first = false;
    }
    true
}

fn json_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
    format!("not valid JSON: {what}")
}

/// Returns the text after a broken value. It begins at the next line with an object in the first column, as printed objects
/// and NDJSON have it.
fn resume(text: &str) -> &str {
    text.find("\n{").map_or("", |at| &text[at + 1..])
}

/// Returns the text after a `---` marker at its start.
fn skip_marker(text: &str) -> &str {
    if is_marker(text.as_bytes(), b"---") { &text[3..] } else { text }
}

/// Counts lines of markers, comments and directives before the content.
fn leading_lines(text: &str) -> usize {
    text.lines().take_while(|line| is_blank(line.as_bytes())).count()
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}
