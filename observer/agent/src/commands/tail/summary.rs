//! `tail --summary`: the pairs with the most attempts in each interval, instead of lines.

mod interval;

use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use flow_model::record::FlowRecord;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::{Instant, interval_at};

use self::interval::{Interval, Text};
use crate::client::print::Printer;
use crate::client::print::record_lines::RecordSink;
use crate::commands::tail::{TailArgs, follow};

/// Counts the records of an interval and prints them at its end. Clones share it.
struct Summary<W>(Arc<Mutex<State<W>>>);

struct State<W> {
    out: Printer<W>,
    interval: Interval,
}

/// Prints a summary per interval until the replay ends (`--no-follow`) or until `stop`, and then the last one.
///
/// # Errors
/// Fails as the lines of `tail` do.
pub(super) async fn summarise<W: Write + Send>(
    args: &TailArgs,
    every: Duration,
    out: Printer<W>,
    notes: impl Write + Clone + Send + Sync + 'static,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let state = State { out, interval: Interval::new(Timestamp::now()) };
    let summary = Summary(Arc::new(Mutex::new(state)));
    let mut records = pin!(follow(args, Summary(Arc::clone(&summary.0)), notes));
    let mut stop = pin!(stop);
    let mut tick = interval_at(Instant::now() + every, every);
    let result = loop {
        tokio::select! {
            biased;
            () = &mut stop => break Ok(()),
            _ = tick.tick() => summary.print(Timestamp::now())?,
            result = &mut records => break result,
        }
    };
    // An agent that was never reached leaves nothing to sum up.
    result.and_then(|()| Ok(summary.print(Timestamp::now())?))
}

impl<W: Write> Summary<W> {
    /// Prints what was counted, and begins the next interval.
    fn print(&self, now: Timestamp) -> io::Result<()> {
        let State { out, interval } = &mut *self.0.lock();
        let over = std::mem::replace(interval, Interval::new(now)).end(now);
        out.print(&over, |look| Text { interval: &over, look }.to_string())?;
        out.flush()
    }
}

impl<W: Write> RecordSink for Summary<W> {
    fn line(&mut self, json: &str) -> io::Result<Option<Timestamp>> {
        let record: Option<FlowRecord> = serde_json::from_str(json).ok();
        if let Some(record) = &record {
            self.0.lock().interval.add(record);
        }
        Ok(record.map(|record| record.time))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
