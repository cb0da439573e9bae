//! The page for this node: `/` for browsers, and the files below `/ui/`.

use axum::extract::Path;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::http::answer::Failure;
use crate::page;

/// Answers with a file of the page.
pub(super) async fn get(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Failure> {
    page::file(&name, &headers)
        .ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "the page has no such file; it is at /"))
}

/// Is true when the client asks for HTML by name, as browsers do.
pub(super) fn is_browser(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("text/html"))
}
