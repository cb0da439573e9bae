//! Opens many connections over many pairs at full speed, and counts each by its end.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::Conversation;
use crate::netns::Netns;

/// The connections of one client to one address.
#[derive(Clone, Debug)]
pub struct Lane {
    pub client: Netns,
    pub to: SocketAddr,
    /// Connections to make.
    pub count: u32,
}

/// Counts of a lane's connections by their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Opened connections, with any end.
    pub established: u32,
    /// Opened, then reset by the client.
    pub client_resets: u32,
    /// Opened, then reset by the server.
    pub server_resets: u32,
    /// `ECONNREFUSED`: a closed port or a REJECT.
    pub refused: u32,
}

/// Runs all lanes, one thread a client namespace, the lanes of a client in turn. Opened connections end in three ways
/// in turn.
///
/// # Errors
/// Fails when a connection ends in a way no tally has: the truth would not be known.
pub fn run(lanes: &[Lane]) -> Result<Vec<Tally>> {
    let mut clients: Vec<&str> = lanes.iter().map(|lane| lane.client.name()).collect();
    clients.sort_unstable();
    clients.dedup();
    let mut tallies = vec![Tally::default(); lanes.len()];
    thread::scope(|scope| {
        let workers: Vec<_> = clients
            .into_iter()
            .map(|client| {
                scope.spawn(move || {
                    let own: Vec<_> =
                        lanes.iter().enumerate().filter(|(_, lane)| lane.client.name() == client).collect();
                    own[0].1.client.run(|| drive(&own))
                })
            })
            .collect();
        for worker in workers {
            let Ok(done) = worker.join() else { bail!("a client thread panicked") };
            for (index, tally) in done? {
                tallies[index] = tally;
            }
        }
        Ok(tallies)
    })
}

fn drive(lanes: &[(usize, &Lane)]) -> Result<Vec<(usize, Tally)>> {
    let mut done: Vec<_> = lanes.iter().map(|(index, _)| (*index, Tally::default())).collect();
    let rounds = lanes.iter().map(|(_, lane)| lane.count).max().unwrap_or(0);
    for round in 0..rounds {
        for ((_, lane), (_, tally)) in lanes.iter().zip(&mut done) {
            if round < lane.count
                && let Err(e) = one(lane.to, round, tally)
            {
                bail!("connection {round} from {} to {}: {e}", lane.client.name(), lane.to);
            }
        }
    }
    Ok(done)
}

fn one(to: SocketAddr, round: u32, tally: &mut Tally) -> io::Result<()> {
    let mut conversation = match Conversation::open(to, Duration::from_secs(60)) {
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
            tally.refused += 1;
            return Ok(());
        }
        other => other?,
    };
    tally.established += 1;
    match round % 3 {
        0 => conversation.echo(),
        1 => {
            tally.client_resets += 1;
            conversation.echo()?;
            conversation.reset()
        }
        _ => {
            tally.server_resets += 1;
            conversation.be_reset()
        }
    }
}
