//! The command against real listeners.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use flow_model::output;
use flow_model::record::FlowRecord;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::client::error::ClientError;
use crate::client::print::testing::printer;
use crate::client::print::{Format, is_broken_pipe};
use crate::sink::testing::{at, attempt, external, pod};
use crate::sink::{SinkConfig, Sinks};

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    tail: TailArgs,
}

pub(super) fn args(address: SocketAddr, more: &[&str]) -> TailArgs {
    let url = format!("http://{address}");
    Cli::parse_from(["tail", "--url", &url].iter().chain(more)).tail
}

/// An output that tests look into while it grows.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(super) async fn until(&self, what: &str, condition: impl Fn(&str) -> bool) {
        let wait = async {
            while !condition(&self.text()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "no {what} in: {}", self.text());
    }
}

pub(super) struct Agent {
    sinks: Sinks,
    pub(super) address: SocketAddr,
    cancel: CancellationToken,
    server: JoinHandle<io::Result<()>>,
}

impl Agent {
    pub(super) async fn start(address: &str) -> Self {
        let (sinks, shared) =
            Sinks::new(&SinkConfig { started: Timestamp::MIN, ..SinkConfig::new("node1".into()) });
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address.parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let server = tokio::spawn(crate::http::serve(listener, shared, cancel.clone()));
        Self { sinks, address, cancel, server }
    }

    pub(super) fn push(&mut self, seconds: std::ops::Range<i64>) {
        for second in seconds {
            let record = attempt(second, pod("web", "front-5d-1"), external(), Outcome::Refused);
            self.sinks.emit(output::Output::Record(record), Timestamp::now());
        }
    }

    pub(super) async fn stop(self) -> SocketAddr {
        self.cancel.cancel();
        timeout(PATIENCE, self.server).await.unwrap().unwrap().unwrap();
        self.address
    }
}

/// Runs the command with JSON output; returns what it prints and notes, and its end.
fn spawn(args: TailArgs) -> (Shared, Shared, JoinHandle<anyhow::Result<()>>) {
    let (out, notes) = (Shared::default(), Shared::default());
    let printer = RecordPrinter::new(printer(out.clone(), Format::Json));
    let task = {
        let notes = notes.clone();
        tokio::spawn(async move { tail(&args, printer, notes).await })
    };
    (out, notes, task)
}

fn seconds(json: &str) -> Vec<i64> {
    let records = json.lines().map(|line| serde_json::from_str::<FlowRecord>(line).unwrap());
    records.map(|record| record.time.as_second() - at(0).as_second()).collect()
}

fn lines(n: usize) -> impl Fn(&str) -> bool {
    move |text| text.lines().count() >= n
}

#[tokio::test]
async fn a_replay_is_printed_and_ends() {
    let mut agent = Agent::start("127.0.0.1:0").await;
    agent.push(0..5);
    let since = at(2).to_string();
    let args = args(agent.address, &["--since", &since, "--no-follow", "--pod", "web/front-5d-1"]);
    let out = Shared::default();
    let printer = RecordPrinter::new(printer(out.clone(), Format::Text));
    timeout(PATIENCE, tail(&args, printer, Shared::default())).await.unwrap().unwrap();
    let text = out.text();
    assert_eq!(text.lines().count(), 3);
    assert!(text.starts_with("11:06:42.000  web/front-5d-1:2 -> 1.1.1.1:443  refused     0.3ms\n"), "{text}");
}

#[tokio::test]
async fn filters_reach_the_agent() {
    let mut agent = Agent::start("127.0.0.1:0").await;
    agent.push(0..5);
    for (filter, count) in [
        (["--namespace", "web"], 5),
        (["--namespace", "data"], 0),
        (["--kind", "reset,drop"], 0),
        (["--kind", "attempt"], 5),
        (["--outcome", "established"], 0),
        (["--outcome", "rejected,refused"], 5),
    ] {
        let more = [&filter[..], &["--since", "1000y", "--no-follow"]].concat();
        let (out, _, task) = spawn(args(agent.address, &more));
        timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();
        assert_eq!(out.text().lines().count(), count, "{filter:?}");
    }
}

#[tokio::test]
async fn an_agent_that_restarts_is_found_again() {
    let mut agent = Agent::start("127.0.0.1:0").await;
    agent.push(0..3);
    let (out, notes, task) = spawn(args(agent.address, &["--since", "1000y"]));
    out.until("replay", lines(3)).await;
    agent.push(3..5);
    out.until("followed records", lines(5)).await;
    let address = agent.stop().await;
    notes.until("note of the loss", |text| text.contains("lost (the agent has ended the stream)")).await;

    let mut agent = Agent::start(&address.to_string()).await;
    agent.push(5..8);
    notes.until("note of the return", |text| text.contains("again\n")).await;
    agent.push(8..10);
    out.until("later records", lines(10)).await;
    assert_eq!(seconds(&out.text()), (0..10).collect::<Vec<_>>());
    task.abort();
}

/// Passes bytes on. Each change of the returned value cuts the open connections.
async fn proxy(upstream: SocketAddr) -> (SocketAddr, tokio::sync::watch::Sender<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, cuts) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut cuts = cuts.clone();
            cuts.mark_unchanged();
            tokio::spawn(async move {
                let mut agent = tokio::net::TcpStream::connect(upstream).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut agent) => {}
                    _ = cuts.changed() => {}
                }
            });
        }
    });
    (address, cut)
}

#[tokio::test]
async fn a_cut_connection_is_resumed_without_gap_or_duplicate() {
    let mut agent = Agent::start("127.0.0.1:0").await;
    let (address, cut) = proxy(agent.address).await;
    agent.push(0..10);
    let (out, notes, task) = spawn(args(address, &["--since", "1000y"]));
    out.until("replay", lines(10)).await;
    // Records of one and the same moment, too: the time alone could not show where to go on.
    for round in 1..4 {
        agent.push(10..11);
        cut.send_modify(|n| *n += 1);
        notes.until("note of the cut", |text| text.matches("trying again").count() >= round).await;
        agent.push(10..11);
        out.until("both sides of the cut", lines(10 + 2 * round)).await;
    }
    let expected = (0..10).chain([10; 6]).collect::<Vec<_>>();
    assert_eq!(seconds(&out.text()), expected);
    task.abort();
}

async fn failure(args: TailArgs) -> ClientError {
    let (_, _, task) = spawn(args);
    timeout(PATIENCE, task).await.unwrap().unwrap().unwrap_err().downcast().unwrap()
}

#[tokio::test]
async fn no_agent_at_the_start_is_one_sentence_with_the_remedy() {
    let address = Agent::start("127.0.0.1:0").await.stop().await;
    let text = failure(args(address, &[])).await.to_string();
    let start = format!("can't reach an agent at http://{address}: Connection refused");
    assert!(text.starts_with(&start) && text.contains("--url") && !text.contains('\n'), "{text}");
}

#[tokio::test]
async fn the_agents_reason_is_passed_on() {
    let agent = Agent::start("127.0.0.1:0").await;
    let mut args = args(agent.address, &[]);
    args.since = Some("tomorrow".into());
    let text = failure(args).await.to_string();
    assert!(text.contains("answered 400: parameter `since`: `tomorrow`"), "{text}");
}

#[tokio::test]
async fn something_else_that_speaks_http_is_not_an_agent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi";
        stream.write_all(answer).await.unwrap();
    });
    assert!(failure(args(address, &[])).await.to_string().contains("`text/html`"));
}

/// A pipe whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_closed_pipe_is_recognised() {
    let mut agent = Agent::start("127.0.0.1:0").await;
    agent.push(0..1);
    let printer = RecordPrinter::new(printer(Closed, Format::Json));
    let args = args(agent.address, &["--since", "1000y"]);
    let error = timeout(PATIENCE, tail(&args, printer, Shared::default())).await.unwrap().unwrap_err();
    assert!(is_broken_pipe(&error));
}

#[test]
fn flags_are_checked_before_anything_else() {
    for bad in [
        ["--kind", "walk"],
        ["--outcome", "fine"],
        ["--since", "soon"],
        ["--pod", "front"],
        ["--output", "xml"],
        ["--color", "red"],
    ] {
        assert!(Cli::try_parse_from(["tail"].iter().chain(&bad)).is_err(), "{bad:?}");
    }
    let args = Cli::parse_from(["tail", "--kind", "attempt,reset", "--kind", "drop", "-o", "json"]).tail;
    assert_eq!(args.kind, [Kind::Attempt, Kind::Reset, Kind::Drop]);
    assert_eq!(args.agents.one().unwrap().url(), "http://127.0.0.1:9477");
}

#[test]
fn help_lists_every_kind_and_outcome() {
    let help = <Cli as clap::CommandFactory>::command().render_help().to_string();
    let listed = |names: &[&str]| format!("[possible values: {}]", names.join(", "));
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let kinds = ["attempt", "reset", "drop", "announcement", "policy_change", "check", "lost"];
    assert!(help.contains(&listed(&kinds)), "{help}");
    assert!(help.contains(&listed(&["established", "refused", "rejected", "unanswered"])), "{help}");
    for kind in kinds {
        assert_eq!(Cli::parse_from(["tail", "--kind", kind]).tail.kind[0].as_str(), kind);
    }
    assert!(Cli::try_parse_from(["tail", "--kind", MEMORY]).is_err(), "it would print nothing");
}
