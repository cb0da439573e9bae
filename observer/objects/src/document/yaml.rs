//! One YAML document to a value, with the lines of what is in it.
//!
//! `granit-parser` reads the text. It is the parser below the YAML crate that kube uses, and gives events with their positions,
//! so that keys which an object has twice can be named with both lines. A parser that gives values keeps one of them.

mod build;

use granit_parser::{Event, Parser, options};

use crate::document::{Broken, Document};
use build::Builder;

/// Reads a text that holds one document; `line` is that of its first byte. Returns `None` for one without content.
pub(super) fn parse(text: &str, line: usize) -> Result<Option<Document>, Broken> {
    let mut builder = Builder::new(line);
    let mut end = line;
    for event in Parser::new_from_str_with_options(text, options! { emit_comments: false }) {
        let (event, span) = event.map_err(|error| {
            let at = last_line(text, line).min(line + error.marker().line().saturating_sub(1));
            Broken { line: at, message: format!("not valid YAML: {}", error.info()) }
        })?;
        if !matches!(event, Event::StreamEnd | Event::DocumentEnd) {
            end = last_line(text, line).min(line + span.start.line().saturating_sub(1));
        }
        builder
            .event(event, end)
            .map_err(|message| Broken { line: end, message: format!("not valid YAML: {message}") })?;
    }
    Ok(builder.finish())
}

/// Returns the last line that exists. At the end of a text the parser may be one further.
fn last_line(text: &str, line: usize) -> usize {
    line + super::split::newlines(text.trim_end_matches('\n').as_bytes())
}
