//! The check of the name in `Host`.

use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

use crate::http::auth::Denial;

/// Length of a name that an error quotes.
const SHOWN: usize = 100;

/// Accepts requests that name this host by an address or as localhost, which no foreign name server controls. A client
/// without `Host` (HTTP/1.0) is not a browser.
pub(super) fn check(headers: &HeaderMap, uri: &Uri) -> Result<(), Denial> {
    let header = headers.get_all(HOST).iter().map(|value| value.to_str().unwrap_or_default());
    let target = uri.authority().map(Authority::as_str);
    match target.into_iter().chain(header).find(|name| !is_local(name)) {
        Some(name) => Err(Denial::ForeignHost(name.chars().take(SHOWN).collect())),
        None => Ok(()),
    }
}

fn is_local(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests;
