//! Readers of the live tail, which connect, read a little or nothing, and vanish.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use lab::agent::LISTEN;
use socket2::SockRef;

use crate::stage::Stage;

/// Pause after one reader.
const PAUSE: Duration = Duration::from_millis(150);
/// The time for which a reader waits for records.
const PATIENCE: Duration = Duration::from_millis(250);
/// The third sees every connection, so that the kernel merges none while it reads.
const PATHS: [&str; 3] =
    ["/api/v1/flows?kind=drop", "/api/v1/flows?kind=attempt&outcome=refused", "/api/v1/flows"];

/// Follows and vanishes until `stop`. Returns the number of readers.
pub(crate) fn come_and_go(stage: &Stage, stop: &AtomicBool) -> Result<u64> {
    stage.world.node.ns.run(|| {
        let mut readers = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            let path = PATHS[usize::try_from(readers)? % PATHS.len()];
            follow(path, readers)?;
            readers += 1;
            thread::sleep(PAUSE);
        }
        Ok(readers)
    })
}

fn follow(path: &str, number: u64) -> Result<()> {
    let mut stream = TcpStream::connect(LISTEN)?;
    let sse = if number.is_multiple_of(2) { "Accept: text/event-stream\r\n" } else { "" };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {LISTEN}\r\n{sse}\r\n")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    if !number.is_multiple_of(5) {
        // An answer of any length, or none in time: the reader vanishes next anyway.
        drop(stream.read(&mut [0; 4096]));
    }
    if number.is_multiple_of(3) {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    }
    Ok(())
}
