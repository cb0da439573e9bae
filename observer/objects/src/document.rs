//! A file's bytes to documents, each with the line where it starts. A bad document does not affect the others.

pub mod encoding;
mod json;
mod repeated;
mod scalar;
mod split;
mod yaml;

use serde_json::Value;

pub(crate) use repeated::Repeated;

/// A parsed document.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Document {
    /// This is the line of its first content, from 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
    /// These are the keys that an object has twice. `value` has the last of each, as with kubectl.
    pub(crate) repeated: Vec<Repeated>,
    /// The line of each item of a list, by its index in each list, outermost first. JSON has none.
    pub(crate) lines: Vec<(Vec<usize>, usize)>,
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
    let bytes = encoding::utf8(bytes);
    let mut out = Vec::new();
    for chunk in split::split(&bytes) {
        parse_chunk(&chunk, &mut out);
    }
    out
}

fn parse_chunk(chunk: &split::Chunk<'_>, out: &mut Vec<Result<Document, Broken>>) {
    let text = match std::str::from_utf8(chunk.bytes) {
        Ok(text) => text,
        Err(e) => {
            let line = chunk.line + split::newlines(&chunk.bytes[..e.valid_up_to()]);
            out.push(Err(Broken { line, message: "not UTF-8 text".to_owned() }));
            return;
        }
    };
    let body = split::skip_marker(text);
    let start = body.trim_start();
    // No JSON begins with two braces, but the text of a template does.
    if start.starts_with('{') && !start.starts_with("{{") {
        let line = chunk.line + split::newlines(&text.as_bytes()[..text.len() - body.len()]);
        if json::parse(body, line, out) {
            return;
        }
    }
    match yaml::parse(text, chunk.line) {
        Ok(None) => {}
        Ok(Some(document)) => out.push(Ok(document)),
        Err(broken) => out.push(Err(as_template(text, broken))),
    }
}

/// Adds the remedy for the template of a chart, which is no YAML before it is rendered.
fn as_template(text: &str, broken: Broken) -> Broken {
    match text.contains("{{") {
        true => Broken {
            message: format!(
                "{}; it is a template: render it first, e.g. with `helm template`",
                broken.message
            ),
            ..broken
        },
        false => broken,
    }
}
