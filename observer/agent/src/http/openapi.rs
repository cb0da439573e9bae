//! `/openapi.json`: this API for programs that generate clients or check answers.
//!
//! `openapi.json` holds what is written by hand: paths, parameters, errors and the questions of `explain`. The schemas
//! of the answers come from their types. Tests compare the document with the router, with the parameters that are
//! accepted, and with answers of every kind.

mod schemas;

use std::sync::LazyLock;

use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use serde_json::Value;

const WRITTEN: &str = include_str!("openapi.json");

/// The document, made on the first request.
static DOCUMENT: LazyLock<Result<String, serde_json::Error>> = LazyLock::new(document);

/// Answers with the document. If the written part were not JSON, which tests exclude, it would be the answer as it is.
pub(super) async fn get() -> ([(HeaderName, &'static str); 1], &'static str) {
    let document = DOCUMENT.as_ref().map_or(WRITTEN, String::as_str);
    ([(CONTENT_TYPE, "application/json")], document)
}

fn document() -> Result<String, serde_json::Error> {
    let mut document: Value = serde_json::from_str(WRITTEN)?;
    if let Some(Value::Object(written)) = document.pointer_mut("/components/schemas") {
        written.extend(schemas::of_answers());
    }
    serde_json::to_string_pretty(&document)
}
