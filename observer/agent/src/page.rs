//! The files of the page, which agents and `flow-observer ui` serve. `cargo xtask ui` builds them from `ui/`.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

/// The path below which the files are served. The page itself is at `/`.
pub(crate) const PREFIX: &str = "/ui/";
/// The name of the page itself.
const INDEX: &str = "index.html";

/// The page runs only its own script, asks only the server that it comes from, and sends no form. `trusted-types` makes the
/// browser refuse text as markup, so a name from a packet can't become an element.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'",
);

struct File {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! file {
    ($name:literal, $content_type:literal) => {
        File {
            name: $name,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../ui/dist/", $name)),
        }
    };
}

const FILES: [File; 4] = [
    file!("index.html", "text/html; charset=utf-8"),
    file!("app.js", "text/javascript; charset=utf-8"),
    file!("style.css", "text/css; charset=utf-8"),
    file!("icon.svg", "image/svg+xml"),
];

/// The entity tags, in the order of [`FILES`].
static TAGS: LazyLock<[String; FILES.len()]> = LazyLock::new(|| FILES.each_ref().map(|file| tag(file.bytes)));

/// Answers with the page itself.
pub(crate) fn index(headers: &HeaderMap) -> Response {
    file(INDEX, headers).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

/// Answers with the file of this name, or with 304 where the browser has it. `None` where there is no such file.
pub(crate) fn file(name: &str, headers: &HeaderMap) -> Option<Response> {
    let (file, tag) = FILES.iter().zip(TAGS.iter()).find(|(file, _)| file.name == name)?;
    let head = [
        (ETAG, HeaderValue::from_str(tag).ok()?),
        // Kept, but never used without asking: another release has other files.
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, POLICY),
        (VARY, HeaderValue::from_static("accept")),
    ];
    if is_known(headers, tag) {
        return Some((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let content_type = HeaderValue::from_static(file.content_type);
    Some((head, [(CONTENT_TYPE, content_type)], file.bytes).into_response())
}

/// Is true where the client has the file with this tag.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let mut known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.any(|value| {
        value.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
    })
}

fn tag(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    let hex: String = digest.as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

#[cfg(test)]
mod tests;
