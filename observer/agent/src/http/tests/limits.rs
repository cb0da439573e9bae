//! Clients that take more than their share, each over a real connection.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

use crate::http::tests::client::{Agent, eventually, within_patience};
use crate::http::{Limits, Settings};

async fn limited(limits: Limits) -> Agent {
    Agent::set(Settings { limits, ..Settings::default() }).await
}

/// Returns what comes until the agent closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is closed with something unread ends in a reset.
    within_patience(stream.read_to_end(&mut bytes)).await.ok();
    String::from_utf8(bytes).unwrap()
}

/// Connects from another address of the loopback network.
async fn connect_from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

async fn answers(stream: &mut TcpStream, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return String::new();
    }
    let mut head = [0; 12];
    match within_patience(stream.read_exact(&mut head)).await {
        Ok(_) => String::from_utf8(head.to_vec()).unwrap(),
        Err(_) => String::new(),
    }
}

fn refused(agent: &Agent, reason: &str) -> u64 {
    let metrics = agent.shared.metrics.encode(crate::sink::metrics::Format::Text).unwrap();
    let series = format!("flow_observer_http_refused_total{{reason=\"{reason}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series)).expect("a series from the start");
    line.parse().unwrap()
}

#[tokio::test]
async fn a_request_that_never_gets_finished_is_cut_off() {
    let agent = limited(Limits { head: Duration::from_millis(200), ..Limits::default() }).await;
    let (mut reader, mut writer) = TcpStream::connect(agent.address).await.unwrap().into_split();
    // Never silent for long, and never through.
    let drip = tokio::spawn(async move {
        writer.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
        while writer.write_all(b"a").await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    let mut bytes = Vec::new();
    within_patience(reader.read_to_end(&mut bytes)).await.ok();
    assert!(bytes.is_empty());
    within_patience(drip).await.unwrap();
    let mut silent = TcpStream::connect(agent.address).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(agent.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn a_connection_between_two_requests_does_not_stay_for_ever() {
    let agent = limited(Limits { head: Duration::from_millis(200), ..Limits::default() }).await;
    let mut stream = TcpStream::connect(agent.address).await.unwrap();
    assert_eq!(answers(&mut stream, "/healthz").await, "HTTP/1.1 200");
    assert!(rest(&mut stream).await.ends_with("ok\n"));
}

#[tokio::test]
async fn a_stream_is_not_cut_off_by_the_limits_on_requests() {
    let limits =
        Limits { head: Duration::from_millis(50), body: Duration::from_millis(50), ..Limits::default() };
    let agent = limited(limits).await;
    let mut lines = agent.stream("/api/v1/flows", &[("accept", "text/event-stream")]).await;
    // Each sign of life comes after 50 ms.
    for _ in 0..20 {
        while lines.next().await.expect("the stream goes on") != ": keep-alive" {}
    }
}

#[tokio::test]
async fn heads_have_a_size() {
    let agent = Agent::start().await;
    let fits = "a".repeat(30 << 10);
    assert_eq!(agent.get("/healthz", &[("x", &fits)]).await.status, 200);
    let many: Vec<String> = (0..101).map(|n| format!("x-{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "y")).collect();
    assert_eq!(agent.get("/healthz", &many).await.status, 431);
    for head in ["GET /healthz HTTP/1.1\r\nx: ", "GET /"] {
        let mut stream = TcpStream::connect(agent.address).await.unwrap();
        let request = [head.as_bytes(), &[b'a'; 33 << 10]].concat();
        stream.write_all(&request).await.unwrap();
        assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431 "), "{head}");
    }
}

#[tokio::test]
async fn what_is_not_http_gets_no_more_than_a_status() {
    let agent = Agent::start().await;
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00\x01"[..], b"\0\0\0\0\r\n\r\n", b"SSH-2.0-x\r\n\r\n"] {
        let mut stream = TcpStream::connect(agent.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400 "), "{bytes:?}");
    }
    assert_eq!(agent.get("/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn bodies_have_a_size() {
    let agent = Agent::start().await;
    let post = "POST /api/v1/explain HTTP/1.1\r\nhost: x\r\n";
    let mut announced = TcpStream::connect(agent.address).await.unwrap();
    announced.write_all(format!("{post}content-length: 1048577\r\n\r\n").as_bytes()).await.unwrap();
    assert!(rest(&mut announced).await.starts_with("HTTP/1.1 413 "), "without waiting for it");

    let mut chunked = TcpStream::connect(agent.address).await.unwrap();
    chunked.write_all(format!("{post}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = [b"20000\r\n".as_slice(), &[b' '; 0x20000], b"\r\n"].concat();
    for _ in 0..9 {
        // The agent may have answered and closed the connection by then.
        chunked.write_all(&chunk).await.ok();
    }
    let mut status = [0; 13];
    within_patience(chunked.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413 ");
}

#[tokio::test]
async fn bodies_that_do_not_come_are_given_up() {
    let agent = limited(Limits { body: Duration::from_millis(100), ..Limits::default() }).await;
    let mut stream = TcpStream::connect(agent.address).await.unwrap();
    let post = "POST /api/v1/explain HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(post.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("did not arrive"), "{answer}");
}

#[tokio::test]
async fn connections_are_shared() {
    let limits = Limits { connections: 3, connections_per_client: 2, ..Limits::default() };
    let agent = limited(limits).await;
    let mut own = Vec::new();
    for _ in 0..2 {
        let mut stream = connect_from(1, agent.address).await;
        assert_eq!(answers(&mut stream, "/healthz").await, "HTTP/1.1 200");
        own.push(stream);
    }
    assert_eq!(answers(&mut connect_from(1, agent.address).await, "/healthz").await, "");
    let mut other = connect_from(2, agent.address).await;
    assert_eq!(answers(&mut other, "/healthz").await, "HTTP/1.1 200");
    assert_eq!(answers(&mut connect_from(3, agent.address).await, "/healthz").await, "");
    assert_eq!((refused(&agent, "client_connections"), refused(&agent, "connections")), (1, 1));
    drop((own, other));
    eventually(|| agent.shared.metrics.http_counters().connections.get() == 0).await;
    assert_eq!(answers(&mut connect_from(3, agent.address).await, "/healthz").await, "HTTP/1.1 200");
}

#[tokio::test]
async fn streams_are_shared() {
    let agent = limited(Limits { streams_per_client: 2, ..Limits::default() }).await;
    let first = agent.stream("/api/v1/flows", &[]).await;
    let _second = agent.stream("/api/v1/flows", &[]).await;
    let third = agent.get("/api/v1/flows", &[]).await;
    assert_eq!(third.status, 429);
    assert!(third.json()["error"].as_str().unwrap().starts_with("2 streams"));
    assert_eq!(refused(&agent, "streams"), 1);
    assert_eq!(agent.get("/api/v1/pairs", &[]).await.status, 200);
    let mut other = connect_from(2, agent.address).await;
    assert_eq!(answers(&mut other, "/api/v1/flows").await, "HTTP/1.1 200");
    drop((first, other));
    eventually(|| agent.shared.metrics.tail_counters().clients.get() == 1).await;
    agent.stream("/api/v1/flows", &[]).await;
}

/// Prometheus and the kubelet are answered all the same.
#[tokio::test]
async fn requests_for_the_api_have_a_pace() {
    let pace =
        Quota::with_period(Duration::from_secs(3_600)).unwrap().allow_burst(NonZeroU32::new(2).unwrap());
    let agent = limited(Limits { pace, ..Limits::default() }).await;
    for path in ["/api/v1/pairs", "/api/v1/vips"] {
        assert_eq!(agent.get(path, &[]).await.status, 200);
    }
    let refusal = agent.get("/api/v1/pairs", &[]).await;
    assert_eq!(refusal.status, 429);
    assert!(refusal.json()["error"].as_str().unwrap().starts_with("too many requests"));
    assert_eq!(refused(&agent, "requests"), 1);
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_ne!(agent.get(path, &[]).await.status, 429, "{path}");
    }
    let mut other = connect_from(2, agent.address).await;
    assert_eq!(answers(&mut other, "/api/v1/vips").await, "HTTP/1.1 200");
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_place() {
    let mut agent = limited(Limits { stalled: Duration::from_millis(300), ..Limits::default() }).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stalled = socket.connect(agent.address).await.unwrap();
    stalled.write_all(b"GET /api/v1/flows HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    eventually(|| agent.shared.metrics.tail_counters().clients.get() == 1).await;
    // More than the buffers of both sides take.
    agent.push(0..40_000);
    eventually(|| agent.shared.metrics.tail_counters().clients.get() == 0).await;
}
