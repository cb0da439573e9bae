//! A small HTTP/1.1 client for requests to the agent from inside its namespace.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::netns::Netns;

const TIMEOUT: Duration = Duration::from_secs(10);

/// An answer with its decoded body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub body: String,
}

/// Gets `path` from `at`, reachable inside `ns`.
///
/// # Errors
/// Fails when nothing listens, and when the answer is not HTTP or doesn't end.
pub fn get(ns: &Netns, at: SocketAddr, path: &str) -> Result<Response> {
    get_as(ns, at, path, None)
}

/// Gets `path` with a bearer token.
///
/// # Errors
/// Fails as [`get`] does.
pub fn get_as(ns: &Netns, at: SocketAddr, path: &str, token: Option<&str>) -> Result<Response> {
    let raw = ns.run(|| exchange(at, path, token)).with_context(|| format!("GET http://{at}{path}"))?;
    parse(&raw).with_context(|| format!("GET http://{at}{path}"))
}

fn exchange(at: SocketAddr, path: &str, token: Option<&str>) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&at, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n")?;
    if let Some(token) = token {
        write!(stream, "Authorization: Bearer {token}\r\n")?;
    }
    write!(stream, "\r\n")?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw)?;
    Ok(raw)
}

pub(crate) fn parse(raw: &[u8]) -> Result<Response> {
    let end = raw.windows(4).position(|w| w == b"\r\n\r\n").context("answer without an end of headers")?;
    let head = String::from_utf8_lossy(&raw[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).context("answer without a status")?;
    let body = &raw[end + 4..];
    let chunked = head.lines().any(|l| l.starts_with("transfer-encoding:") && l.contains("chunked"));
    let body = if chunked { dechunk(body)? } else { body.to_vec() };
    Ok(Response { status, body: String::from_utf8(body)? })
}

fn dechunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n").context("chunk without a size")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end])?.trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else { bail!("body cut off") };
        body.extend_from_slice(chunk);
        rest = rest.get(end + 2 + size + 2..).context("body cut off")?;
    }
}

#[cfg(test)]
mod tests;
