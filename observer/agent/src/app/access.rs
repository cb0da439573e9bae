//! Decides who may use the HTTP API, by the flags and the listening address.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tracing::warn;

use crate::app::api::Api;
use crate::app::review::KubeReviewer;
use crate::config::{AuthMode, ClusterSource, Options};
use crate::http::auth::{Auth, Reviews, TokenFile};
use crate::http::{Settings, Tls};

/// Settings that would not guard the API as they seem to. They prevent the start: that an agent accepts everybody, or
/// nobody, would be noticed too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AccessError {
    #[error(
        "/api would be open to everybody who reaches {0}; give --cluster kube, or --token-file FILE, or listen on \
         127.0.0.1, or give --auth none"
    )]
    Unguarded(SocketAddr),
    #[error("--auth token needs --token-file FILE, with one token per line")]
    NoTokens,
    #[error("--token-file is given, but would not be used: {0}; give --auth token, or leave it out")]
    UnusedTokens(&'static str),
    #[error("--tls-cert and --tls-key belong together: one is missing")]
    HalfATls,
}

/// The way in which credentials are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard<'a> {
    Everybody,
    /// Everybody on this host.
    Local,
    Kube,
    Tokens(&'a Path),
}

/// Returns the settings of the HTTP server. Reads the files, but sends no request to the API server yet.
///
/// # Errors
/// Fails when the flags contradict each other, or a file can't be used.
pub(super) async fn settings(options: &Options, listen: SocketAddr, api: &Api) -> anyhow::Result<Settings> {
    let guard = guard(options, listen)?;
    let tls = match certificate(options)? {
        Some((cert, key)) => Some(Tls::load(cert, key)?),
        None => None,
    };
    let auth = match guard {
        Guard::Everybody => Auth::Open,
        Guard::Local => Auth::Local,
        Guard::Tokens(path) => Auth::Token(Arc::new(TokenFile::load(path)?)),
        Guard::Kube => {
            let access = api.access(options).await.context("--auth kube asks the API server about tokens")?;
            Auth::Review(Arc::new(Reviews::new(KubeReviewer::new(access))?))
        }
    };
    if !is_loopback(listen) {
        warn_if_exposed(guard, tls.is_some());
    }
    Ok(Settings { auth, tls, ..Settings::default() })
}

fn guard(options: &Options, listen: SocketAddr) -> Result<Guard<'_>, AccessError> {
    let tokens = options.token_file.as_deref();
    let kube = options.cluster == ClusterSource::Kube;
    let (guard, why) = match options.auth {
        AuthMode::None => (Guard::Everybody, "--auth none lets everybody in"),
        AuthMode::Kube => (Guard::Kube, "--auth kube asks the API server"),
        AuthMode::Token => return tokens.map(Guard::Tokens).ok_or(AccessError::NoTokens),
        AuthMode::Auto if is_loopback(listen) => {
            (Guard::Local, "a loopback listener lets everybody in unless --auth says otherwise")
        }
        AuthMode::Auto if kube => (Guard::Kube, "with --cluster kube the API server is asked"),
        AuthMode::Auto => return tokens.map(Guard::Tokens).ok_or(AccessError::Unguarded(listen)),
    };
    if tokens.is_some() {
        return Err(AccessError::UnusedTokens(why));
    }
    Ok(guard)
}

fn certificate(options: &Options) -> Result<Option<(&Path, &Path)>, AccessError> {
    match (&options.tls_cert, &options.tls_key) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        _ => Err(AccessError::HalfATls),
    }
}

fn is_loopback(listen: SocketAddr) -> bool {
    listen.ip().to_canonical().is_loopback()
}

fn warn_if_exposed(guard: Guard<'_>, encrypted: bool) {
    match guard {
        Guard::Everybody => warn!("--auth none: /api is open to everybody who reaches the listener"),
        Guard::Kube | Guard::Tokens(_) if !encrypted => {
            warn!(
                "tokens cross the network in the clear, readable on the way; --tls-cert and --tls-key encrypt them"
            );
        }
        Guard::Kube | Guard::Tokens(_) | Guard::Local => {}
    }
}

#[cfg(test)]
mod tests;
