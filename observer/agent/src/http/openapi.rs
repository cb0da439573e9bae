//! `/openapi.json`: this API for programs that generate clients or check answers.
//!
//! The document is written by hand and served as it is. Tests hold it against the router, the parameters that are
//! accepted, and answers of every kind.

use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;

const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn get() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT)
}
