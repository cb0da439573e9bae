//! Clients that follow the tail.

use std::time::Instant;

use flow_model::flow::Outcome;
use flow_model::output::Output;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::http::tests::client::{Agent, PATIENCE};
use crate::sink::testing::{at, attempt, pod, service};

impl Agent {
    pub(super) fn push(&mut self, seconds: std::ops::Range<i64>) {
        for second in seconds {
            let record =
                attempt(second, pod("web", "front-5d-1"), service("data", "db"), Outcome::Established);
            self.emit(Output::Record(record));
        }
    }

    fn clients(&self) -> i64 {
        self.shared.metrics.tail_counters().clients.get()
    }
}

/// Returns the second of a record, which identifies it. A loss counts as that many records, checked by what follows.
fn second(line: &str) -> i64 {
    let record: Value = serde_json::from_str(line).unwrap();
    let time: jiff::Timestamp = record["time"].as_str().unwrap().parse().unwrap();
    time.as_second() - at(0).as_second()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_and_follow_have_no_gap_and_no_duplicate() {
    let mut agent = Agent::start().await;
    agent.push(0..5_000);
    let (since, total) = (at(0), 20_000);
    let path = format!("/api/v1/flows?since={since}");
    let mut clients = Vec::new();
    // Clients join while the writer is at work, each in the middle of something else.
    for joined in 0..5 {
        let mut lines = agent.stream(&path, &[]).await;
        clients.push(tokio::spawn(async move {
            for expected in 0..total {
                assert_eq!(second(&lines.next().await.unwrap()), expected);
            }
        }));
        agent.push(5_000 + joined * 3_000..8_000 + joined * 3_000);
    }
    for client in clients {
        timeout(PATIENCE, client).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_is_told_what_it_lost_and_goes_on() {
    let mut agent = Agent::with(|config| config.tail.max_records = 100).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(agent.address).await.unwrap();
    stream.write_all(b"GET /api/v1/flows HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    timeout(PATIENCE, async {
        while agent.clients() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();

    // Far more than the sockets hold. It returns although nobody reads.
    let total = 40_000;
    agent.push(0..total);
    let (mut expected, mut lost) = (0, 0);
    let mut lines = BufReader::new(stream).lines();
    while expected < total {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        // The rest is the head of the answer and the sizes of its chunks.
        if line.starts_with('{') {
            let record: Value = serde_json::from_str(&line).unwrap();
            if record["kind"] == "lost" {
                assert_eq!(
                    (record["stage"].as_str(), record["node"].as_str()),
                    (Some("client"), Some("node1"))
                );
                let missed = record["lost"].as_i64().unwrap();
                expected += missed;
                lost += missed;
            } else {
                assert_eq!(second(&line), expected);
                expected += 1;
            }
        }
    }
    assert_eq!(expected, total);
    assert!(lost > 0 && lost < total, "{lost} of {total} lost");
    let metrics = agent.get("/metrics", &[]).await.body;
    assert!(metrics.contains(&format!("flow_observer_events_lost_total{{stage=\"client\"}} {lost}\n")));
    assert!(metrics.contains("flow_observer_tail_clients 1\n"));
}

#[tokio::test]
async fn events_have_ids_to_go_on_from() {
    let mut agent = Agent::start().await;
    agent.push(0..10);
    let events = ("accept", "text/event-stream");
    let path = format!("/api/v1/flows?since={}", at(3));
    let mut lines = agent.stream(&path, &[events]).await;
    assert_eq!(lines.next().await.unwrap(), "retry: 1000");
    assert!(lines.next().await.unwrap().starts_with("id: "));
    assert_eq!(lines.next().await.unwrap(), "");
    let mut id = String::new();
    for expected in 3..6 {
        id = lines.next().await.unwrap().strip_prefix("id: ").unwrap().to_owned();
        let data = lines.next().await.unwrap();
        assert_eq!(second(data.strip_prefix("data: ").unwrap()), expected);
        assert_eq!(lines.next().await.unwrap(), "");
    }
    drop(lines);

    let mut resumed = agent.stream(&path, &[events, ("last-event-id", &id)]).await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        if let Some(data) = resumed.next().await.unwrap().strip_prefix("data: ") {
            seen.push(second(data));
        }
    }
    assert_eq!(seen, [6, 7, 8, 9]);
}

#[tokio::test]
async fn a_quiet_event_stream_says_that_it_is_alive() {
    let agent = Agent::start().await;
    let mut lines = agent.stream("/api/v1/flows", &[("accept", "text/event-stream")]).await;
    for _ in 0..2 {
        while lines.next().await.unwrap() != ": keep-alive" {}
        assert!(lines.next().await.unwrap().starts_with("id: "));
    }
}

#[tokio::test]
async fn streams_are_limited_and_free_their_place() {
    let agent = Agent::with(|config| config.tail.max_clients = 2).await;
    let first = agent.stream("/api/v1/flows", &[]).await;
    let _second = agent.stream("/api/v1/flows", &[]).await;
    let refused = agent.get("/api/v1/flows", &[]).await;
    assert_eq!(refused.status, 503);
    assert!(refused.json()["error"].as_str().unwrap().contains("2 clients"));
    drop(first);
    timeout(PATIENCE, async {
        while agent.clients() == 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    agent.stream("/api/v1/flows", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_within_a_second_whatever_clients_do() {
    let mut agent = Agent::start().await;
    let mut follower = agent.stream("/api/v1/flows", &[]).await;
    // One that never reads, with its buffers full.
    let mut stalled = TcpStream::connect(agent.address).await.unwrap();
    stalled.write_all(b"GET /api/v1/flows?since=1000y HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    agent.push(0..30_000);
    let start = Instant::now();
    agent.cancel.cancel();
    timeout(PATIENCE, agent.server).await.unwrap().unwrap().unwrap();
    assert!(start.elapsed().as_secs_f64() < 1.0, "{:?}", start.elapsed());
    while follower.next().await.is_some() {}
}
