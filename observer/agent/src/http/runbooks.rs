//! `/runbooks/NAME`: the pages that the alerts link to, from the agent itself, so that the links open in every cluster.
//!
//! The pages are those of the agent's own release, as they stand in `docs/runbooks/`.

use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::http::answer::Failure;
use crate::http::page::is_browser;

/// The path below which the pages are served. Everybody may read them: they hold nothing of the node or the cluster.
pub(super) const PREFIX: &str = "/runbooks/";

macro_rules! pages {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../../docs/runbooks/", $name, ".md")))),*]
    };
}

/// Name and Markdown of each page. A test compares the names with the files.
pub(super) const PAGES: [(&str, &str); 17] = pages![
    "README",
    "agent-down",
    "blind-spot",
    "cluster-not-synced",
    "connections-refused",
    "enforcement-mismatch",
    "enforcement-slow",
    "events-lost",
    "latent-denial",
    "policy-denied",
    "port-scan",
    "probe-missing",
    "reset-storm",
    "resets-after-vip-move",
    "syn-flood",
    "vip-conflict",
    "vip-flapping",
];

/// Answers with HTML for browsers, and with the Markdown as it is for everybody else.
///
/// The name may end in `.md`, as in the links between the pages.
pub(crate) async fn get(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Failure> {
    let name = name.strip_suffix(".md").unwrap_or(&name);
    let Some((name, page)) = PAGES.iter().find(|(known, _)| *known == name) else {
        let error = format!("there is no such runbook; {PREFIX}README lists them all");
        return Err(Failure::new(StatusCode::NOT_FOUND, error));
    };
    Ok(if is_browser(&headers) {
        ([(CONTENT_TYPE, "text/html; charset=utf-8")], html(name, page)).into_response()
    } else {
        ([(CONTENT_TYPE, "text/markdown; charset=utf-8")], *page).into_response()
    })
}

/// Returns the page as preformatted text: readable, and nothing in it can be taken for markup.
fn html(name: &str, page: &str) -> String {
    let page = page.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title></head>\n\
         <body><pre>\n{page}</pre></body></html>\n"
    )
}

#[cfg(test)]
mod tests;
