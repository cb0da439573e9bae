//! Established attempts: what they add to the counts, and which of them have records of their own.
//!
//! A server that takes 20,000 connections a second would fill the ring with the same record again and again. A burst
//! of [`observer_abi::MAX_SINGLES`] have records, and some more after each drain; the others are counted by pair, and each pair
//! has one record. While somebody follows the records, each attempt has its own.

use observer_abi::{ConnKey, ConnValue, LATENCY_BOUNDS_US, LATENCY_BUCKETS, MergedKey};

use super::emit::now;
use super::tables::{self, add};

/// Counts the time that a handshake took.
#[inline(never)]
pub(super) fn observe(conn: &ConnValue) {
    let Some(latencies) = tables::latencies(conn.vantage) else { return };
    let took = now().saturating_sub(conn.first_ns);
    let us = took / 1_000;
    let mut bucket = 0;
    for bound in LATENCY_BOUNDS_US {
        bucket += usize::from(us > bound);
    }
    // SAFETY: it points into a map value, and the mask keeps the index within the array.
    unsafe {
        add((&raw mut (*latencies).buckets).cast::<u64>().add(bucket & (LATENCY_BUCKETS - 1)), 1);
        add(&raw mut (*latencies).sum_ns, took.cast_signed());
    }
}

/// Counts an attempt with the others of its pair. False if it must have a record of its own.
#[inline(never)]
pub(super) fn merge(key: &ConnKey, conn: &ConnValue) -> bool {
    if !is_plain(conn) || tables::takes_single() {
        return false;
    }
    let merged = tables::merged(&MergedKey {
        src: key.src,
        dst: conn.dst,
        backend: conn.backend,
        dport: conn.dport,
        backend_port: conn.backend_port,
        vantage: conn.vantage,
        _pad: [0; 3],
    });
    if merged.is_null() {
        return false;
    }
    // SAFETY: it is not null and points into a map value. The newest attempt's fields are written one by one: two CPUs may
    // leave those of two attempts, which name a connection that was never made. Nothing joins records by them.
    unsafe {
        (*merged).time_ns = now();
        (*merged).isn = key.isn;
        (*merged).sport = key.sport;
        add(&raw mut (*merged).count, 1);
    }
    true
}

/// Is true for an attempt of which nothing but the time is of interest: it succeeded at once, and the server that it reached
/// is known. Otherwise connection tracking may know it, and is asked for each attempt.
#[inline(always)]
fn is_plain(conn: &ConnValue) -> bool {
    let is_known = conn.backend_port != 0 || conn.flags & ConnValue::ARRIVED != 0;
    is_known && conn.syns == 1 && conn.drop_reason == 0
}
