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
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_local() {
        for name in [
            "localhost",
            "LOCALHOST:9477",
            "a.localhost",
            "localhost.:1",
            "127.0.0.1",
            "10.0.0.1:80",
            "[::1]:9477",
        ] {
            assert!(is_local(name), "{name}");
        }
        for name in
            ["", "example.org", "localhost.example.org:9477", "127.0.0.1.example.org", "mylocalhost", "a b"]
        {
            assert!(!is_local(name), "{name}");
        }
    }

    #[test]
    fn one_foreign_name_is_enough() {
        let denied = |hosts: &[&str], uri: &str| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().unwrap());
            }
            check(&headers, &uri.parse().unwrap()).err()
        };
        let foreign = |name: &str| Some(Denial::ForeignHost(name.into()));
        assert_eq!(denied(&[], "/api/v1/flows"), None);
        assert_eq!(denied(&["localhost"], "/api/v1/flows"), None);
        assert_eq!(denied(&["localhost", "evil.test"], "/api/v1/flows"), foreign("evil.test"));
        assert_eq!(denied(&["localhost"], "http://evil.test/api/v1/flows"), foreign("evil.test"));
        let long = format!("{}.test", "a".repeat(400));
        assert_eq!(denied(&[&long], "/").map(|denial| format!("{denial:?}").len() < 200), Some(true));
    }
}
