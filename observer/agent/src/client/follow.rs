//! A stream of one agent that survives lost connections: no record that the agent still has is missed or repeated.

use std::io::Write;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::{sleep, timeout};

use crate::causes::causes;
use crate::client::error::ClientError;
use crate::client::print::memory_text;
use crate::client::query::query;
use crate::client::sse::{Event, Parser};
use crate::client::target::Target;

/// An agent sends at least a keep-alive every 10 s. After this long without one, the connection is dead.
const SILENCE: Duration = Duration::from_secs(35);
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
const REPLAY_TRIES: u32 = 6;

/// Selects the records of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Parameters of the request that filter records, with their values.
    pub(crate) filters: Vec<(&'static str, String)>,
    /// The point at which to begin, as the user wrote it: the agent's clock counts. Without it, the stream begins now.
    pub(crate) since: Option<String>,
    /// Is true when the stream goes on after the replay.
    pub(crate) follow: bool,
}

/// Yields the data of events, and reconnects where needed.
pub(crate) struct Follower<N> {
    target: Target,
    selection: Selection,
    replayed: bool,
    notes: N,
    stream: Option<Stream>,
    /// Is true after the first connection: from then on temporary failures are waited out.
    begun: bool,
    last_id: Option<String>,
    last_time: Option<Timestamp>,
}

struct Stream {
    body: Incoming,
    parser: Parser,
}

/// The result of the next read of a connection.
enum Step {
    Event(Event),
    /// The response is complete.
    End,
    /// The connection broke, with the reason.
    Broken(String),
}

impl<N: Write> Follower<N> {
    /// Returns a stream that connects when it is first read. `notes` receives lost and restored connections.
    pub(crate) fn new(target: Target, selection: Selection, notes: N) -> Self {
        Self {
            target,
            selection,
            replayed: false,
            notes,
            stream: None,
            begun: false,
            last_id: None,
            last_time: None,
        }
    }

    /// Returns the next record, or `None` at the end of a replay that is not followed.
    ///
    /// # Errors
    /// Fails when the agent can't be reached at first, or refuses later.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            let Some(stream) = &mut self.stream else {
                self.connect().await?;
                continue;
            };
            let why = match stream.step().await {
                Step::Event(event) => {
                    self.last_id = event.id.or(self.last_id.take());
                    match event.data {
                        Some(data) => {
                            if let Some(note) = memory_text::of_line(&data, &TimeZone::system()) {
                                self.note(&note);
                            }
                            return Ok(Some(data));
                        }
                        None => continue,
                    }
                }
                Step::End if !self.selection.follow => {
                    self.replayed = true;
                    return Ok(None);
                }
                Step::End => "the agent has ended the stream".to_owned(),
                Step::Broken(why) => why,
            };
            self.stream = None;
            self.note(&format!("connection to {} lost ({why}); trying again", self.target.url()));
        }
    }

    /// Ends the stream after the replay, whatever the selection asks for.
    pub(crate) fn replay(&mut self) {
        self.selection.follow = false;
    }

    /// Returns true after a replay has been read to its end.
    pub(crate) fn has_replayed(&self) -> bool {
        self.replayed
    }

    /// Continues with live records from where the replay ended.
    pub(crate) fn continue_live(&mut self) {
        (self.selection.follow, self.stream, self.begun) = (true, None, false);
    }

    /// Connects, unless that has been done.
    ///
    /// # Errors
    /// Fails as [`Follower::next`] does.
    pub(crate) async fn begin(&mut self) -> Result<(), ClientError> {
        if self.stream.is_none() {
            self.connect().await?;
        }
        Ok(())
    }

    /// Remembers how far the reader is, for an agent that restarts and so loses its event ids.
    pub(crate) fn printed(&mut self, time: Option<Timestamp>) {
        self.last_time = self.last_time.max(time);
    }

    /// Returns true when another record has arrived already, so that the output needs no flush yet.
    pub(crate) fn has_more(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.parser.has_more())
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        let mut backoff = BACKOFF_MIN;
        // A live stream is waited for without end; a replay that broke off fails soon.
        for tries in 1.. {
            let patient = self.selection.follow || tries < REPLAY_TRIES;
            if self.begun {
                sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            match self.target.open(&self.path(), self.last_id.as_deref()).await {
                Ok(body) => {
                    if self.begun {
                        self.note(&format!("connected to {} again", self.target.url()));
                    }
                    self.stream = Some(Stream { body, parser: Parser::default() });
                    self.begun = true;
                    return Ok(());
                }
                Err(error) if self.begun && patient && error.is_temporary() => {
                    tracing::debug!(%error, "no connection");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns the path of the next request. The agent prefers the last event's id to `since` while it is the same run.
    fn path(&self) -> String {
        let Selection { filters, since, follow } = &self.selection;
        let mut parameters = filters.clone();
        parameters.push(("follow", follow.to_string()));
        let since = self.last_time.map(|time| time.to_string()).or_else(|| since.clone());
        parameters.extend(since.map(|since| ("since", since)));
        format!("/api/v1/flows?{}", query(&parameters))
    }

    fn note(&mut self, note: &str) {
        // Nobody reads the notes when stderr is closed.
        writeln!(self.notes, "flow-observer: {note}").ok();
    }
}

impl Stream {
    async fn step(&mut self) -> Step {
        loop {
            match self.parser.next() {
                Ok(Some(event)) => return Step::Event(event),
                Ok(None) => {}
                Err(_) => return Step::Broken("an endless line".to_owned()),
            }
            match timeout(SILENCE, self.body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        self.parser.feed(data);
                    }
                }
                Ok(Some(Err(error))) => return Step::Broken(causes(&error)),
                Ok(None) => return Step::End,
                Err(_) => return Step::Broken(format!("silent for {} s", SILENCE.as_secs())),
            }
        }
    }
}
