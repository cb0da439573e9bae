//! The sentences of a flood.

use std::net::SocketAddr;

use flow_model::record::Endpoint;

use crate::floods::config::FloodConfig;
use crate::floods::server::Server;

/// From as many sources as this on, sources with one or two SYNs each are taken for invented ones.
const MANY: usize = 100;

/// Returns "data/valkey (10.43.0.5:6379) gets 812 SYNs a second that become no connection, from more than 256 addresses".
pub(super) fn summary(dst: &Endpoint, server: &Server) -> String {
    let address = SocketAddr::new(dst.ip, dst.port);
    let name = match (dst.owner(), &dst.node) {
        (Some(name), _) => format!("{name} ({address})"),
        (None, Some(node)) => format!("node {node} ({address})"),
        (None, None) => address.to_string(),
    };
    format!("{name} gets {}, {}", syns(server), from(server))
}

/// Returns how much of it is seen where.
pub(super) fn evidence(server: &Server) -> Vec<String> {
    let Some(flood) = server.flood() else { return Vec::new() };
    let rate =
        || format!("up to {} SYNs a second were neither answered nor repeated", per_second(flood.peak));
    let held = || {
        format!(
            "the connection table held up to {} handshakes that the client had not completed",
            flood.half_open
        )
    };
    let unanswered = (flood.peak >= FloodConfig::WINDOW).then(rate);
    unanswered.into_iter().chain((flood.half_open > 0).then(held)).collect()
}

/// Returns why the sources are probably forged, once that can be told.
pub(super) fn forged(server: &Server) -> Option<String> {
    let fleeting = server.flood().map_or(0, |flood| flood.fleeting);
    let (_, others) = server.sources();
    if fleeting >= MANY {
        let more = if others > 0 { "more than " } else { "" };
        return Some(format!("probably spoofed: {more}{fleeting} addresses sent one or two SYNs each"));
    }
    let held = server.half_open()?;
    (held.sources >= MANY && held.count <= 2 * held.sources as u64).then(|| {
        format!("probably spoofed: {} addresses left one or two handshakes half open each", held.sources)
    })
}

fn syns(server: &Server) -> String {
    match server.flood() {
        Some(flood) if flood.peak >= FloodConfig::WINDOW => {
            format!("up to {} SYNs a second that become no connection", per_second(flood.peak))
        }
        Some(flood) => {
            format!("SYNs that become no connection: {} handshakes are half open", flood.half_open)
        }
        None => "SYNs that become no connection".to_owned(),
    }
}

fn from(server: &Server) -> String {
    match (server.sources(), server.half_open()) {
        ((0, _), Some(held)) if held.sources > 1 => format!("from {} addresses or more", held.sources),
        ((1, 0), _) | ((0, _), _) => {
            server.busiest().map_or_else(|| "from unknown sources".to_owned(), |ip| format!("from {ip}"))
        }
        ((sources, 0), _) => format!("from {sources} addresses"),
        ((sources, _), _) => format!("from more than {sources} addresses"),
    }
}

fn per_second(count: i64) -> i64 {
    count / FloodConfig::WINDOW
}
