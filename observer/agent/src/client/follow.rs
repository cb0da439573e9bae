//! Reading on through lost connections, without missing or repeating a record that the agent still has.

use std::io::Write;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::time::{sleep, timeout};

use crate::commands::tail::client::{Target, causes, query};
use crate::commands::tail::events::{Event, Parser};
use crate::commands::tail::{TailArgs, TailError};

/// An agent says something every 10 s; after this long without, the connection is dead.
const SILENCE: Duration = Duration::from_secs(35);
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
const REPLAY_TRIES: u32 = 6;

/// Yields the data of events, reconnecting as needed.
pub(in crate::commands) struct Follower<N> {
    target: Target,
    filters: Vec<(&'static str, String)>,
    since: Option<String>,
    follow: bool,
    replayed: bool,
    notes: N,
    stream: Option<Stream>,
    /// The first connection has been made; from now on failures are waited out.
    begun: bool,
    last_id: Option<String>,
    last_time: Option<Timestamp>,
}

struct Stream {
    body: Incoming,
    parser: Parser,
}

/// What a connection gave.
enum Step {
    Event(Event),
    /// The answer is complete.
    End,
    /// It broke, and why.
    Broken(String),
}

impl<N: Write> Follower<N> {
    pub(in crate::commands) fn new(target: Target, args: &TailArgs, notes: N) -> Self {
        let join = |values: Vec<&str>| (!values.is_empty()).then(|| values.join(","));
        let filters = [
            ("namespace", args.namespace.clone()),
            ("pod", args.pod.as_ref().map(ToString::to_string)),
            ("kind", join(args.kind.iter().map(|kind| kind.as_str()).collect())),
            ("outcome", join(args.outcome.iter().map(|outcome| outcome.as_str()).collect())),
        ];
        Self {
            target,
            filters: filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            since: args.since.clone(),
            follow: !args.no_follow,
            replayed: false,
            notes,
            stream: None,
            begun: false,
            last_id: None,
            last_time: None,
        }
    }

    /// The next record; `None` at the end of a replay that is not followed.
    pub(in crate::commands) async fn next(&mut self) -> Result<Option<String>, TailError> {
        loop {
            let Some(stream) = &mut self.stream else {
                self.connect().await?;
                continue;
            };
            let why = match stream.step().await {
                Step::Event(event) => {
                    self.last_id = event.id.or(self.last_id.take());
                    match event.data {
                        Some(data) => return Ok(Some(data)),
                        None => continue,
                    }
                }
                Step::End if !self.follow => {
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

    /// Yields what has been and ends, whatever the arguments say.
    pub(in crate::commands) fn replay(&mut self) {
        self.follow = false;
    }

    /// Whether a replay came to its end.
    pub(in crate::commands) fn has_replayed(&self) -> bool {
        self.replayed
    }

    /// Goes on with what happens, from where the replay ended.
    pub(in crate::commands) fn go_on(&mut self) {
        (self.follow, self.stream, self.begun) = (true, None, false);
    }

    /// Connects, if that is not done yet.
    pub(in crate::commands) async fn begin(&mut self) -> Result<(), TailError> {
        if self.stream.is_none() {
            self.connect().await?;
        }
        Ok(())
    }

    /// Remembers how far the reader is, for an agent that starts anew.
    pub(in crate::commands) fn printed(&mut self, time: Option<Timestamp>) {
        self.last_time = self.last_time.max(time);
    }

    /// Whether the next record may be there already: printing can wait to be flushed.
    pub(super) fn has_more(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.parser.has_more())
    }

    async fn connect(&mut self) -> Result<(), TailError> {
        let mut backoff = BACKOFF_MIN;
        // What is live is waited for; a replay that broke off tells its end sooner.
        for tries in 1.. {
            let patient = self.follow || tries < REPLAY_TRIES;
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
                Err(error) if self.begun && patient && is_passing(&error) => {
                    tracing::debug!(%error, "no connection");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The agent prefers the last event's id to `since`, as long as it is the same run of the same agent.
    fn path(&self) -> String {
        let mut parameters = self.filters.clone();
        parameters.push(("follow", self.follow.to_string()));
        let since = self.last_time.map(|time| time.to_string()).or_else(|| self.since.clone());
        parameters.extend(since.map(|since| ("since", since)));
        format!("/api/v1/flows?{}", query(&parameters))
    }

    fn note(&mut self, note: &str) {
        // With stderr gone there is nobody left to tell.
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

/// What may be over when the agent, or what stands before it, has started again.
fn is_passing(error: &TailError) -> bool {
    match error {
        TailError::Unreachable { .. } | TailError::Pod { .. } => true,
        TailError::Refused { status, .. } => *status >= 500 || *status == 429,
        TailError::Url(_)
        | TailError::NotAnAgent { .. }
        | TailError::Unauthorised { .. }
        | TailError::Connect(_)
        | TailError::Reach(_) => false,
    }
}
