//! Tests of each status that is described, on the occasion for it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::tests::access::Guarded;
use crate::http::tests::client::{Agent, Answer, within_patience};
use crate::http::tests::openapi::document::{Document, Sample};
use crate::http::tests::openapi::{document, finite};
use crate::http::{Limits, Settings};

/// Holds what was answered: method, path, status.
struct Seen<'a> {
    document: &'a Document,
    seen: BTreeSet<(String, String, u16)>,
    samples: Vec<Sample>,
}

impl Seen<'_> {
    fn see(&mut self, method: &str, path: &str, answer: &Answer) {
        let samples = self.document.operation(method, path).samples(answer);
        self.samples.extend(samples);
        self.seen.insert((method.into(), path.into(), answer.status));
    }

    /// Asks for every operation in this way.
    async fn everywhere(&mut self, agent: &Agent, query: &str, headers: &[(&str, &str)]) {
        for operation in self.document.operations() {
            let path = match operation.path {
                "/api/v1/explain" => finite(operation.path, &["src=a/b&dst=c/d", query].join("&")),
                path => finite(path, query),
            };
            let answer = agent.request(operation.method, &path, headers).await;
            self.see(operation.method, operation.path, &answer);
        }
    }
}

#[tokio::test]
async fn each_status_has_its_occasion() {
    let agent = Agent::start().await;
    let document = document(&agent).await.closed();
    let mut seen = Seen { document: &document, seen: BTreeSet::new(), samples: Vec::new() };
    seen.everywhere(&agent, "", &[]).await;
    seen.everywhere(&agent, "no-such=1", &[]).await;
    let many: Vec<String> = (0..101).map(|n| format!("x-{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "y")).collect();
    seen.everywhere(&agent, "", &many).await;
    let guard = agent.shared.readiness.guard("cluster");
    seen.see("GET", "/readyz", &agent.get("/readyz", &[]).await);
    drop(guard);
    seen.see("GET", "/runbooks/{name}", &agent.get("/runbooks/no-such", &[]).await);
    seen.see("GET", "/ui/{name}", &agent.get("/ui/no-such", &[]).await);
    let known = [("accept", "text/html"), ("if-none-match", "*")];
    seen.see("GET", "/", &agent.get("/", &known).await);
    seen.see("GET", "/ui/{name}", &agent.get("/ui/app.js", &known).await);
    seen.see("POST", "/api/v1/explain", &agent.post("/api/v1/explain", "{}\n".repeat(400_000)).await);
    seen.see("POST", "/api/v1/explain", &late_body().await);
    streams(&mut seen).await;
    refusals(&mut seen).await;

    let described = document.operations().into_iter().flat_map(|operation| {
        let of = |status| (operation.method.to_owned(), operation.path.to_owned(), status);
        operation.statuses().into_iter().map(of).collect::<Vec<_>>()
    });
    // A defect has no occasion.
    let described: BTreeSet<_> = described.filter(|(_, _, status)| *status != 500).collect();
    assert_eq!(seen.seen, described);
    let faults: Vec<_> = seen.samples.iter().flat_map(|sample| document.faults(sample)).collect();
    assert_eq!(faults, [""; 0]);
}

/// Sends requests of users who may not ask, and of users who can't be asked about.
async fn refusals(seen: &mut Seen<'_>) {
    let guarded = Guarded::start().await;
    let nobody = [("authorization", "Bearer nobody-token")];
    seen.everywhere(&guarded.agent, "", &[]).await;
    seen.everywhere(&guarded.agent, "", &nobody).await;
    guarded.wait(60);
    guarded.api_server_goes_down();
    seen.everywhere(&guarded.agent, "", &nobody).await;

    let guarded = Guarded::start().await;
    for n in 0..30 {
        let guess = format!("Bearer guess{n}");
        assert_eq!(guarded.agent.get("/api/v1/vips", &[("authorization", &guess)]).await.status, 401);
    }
    seen.everywhere(&guarded.agent, "", &[("authorization", "Bearer one-more")]).await;
}

async fn streams(seen: &mut Seen<'_>) {
    let limits = Limits { streams_per_client: 1, ..Limits::default() };
    let agent = Agent::set(Settings { limits, ..Settings::default() }).await;
    let _open = agent.stream("/api/v1/flows", &[]).await;
    seen.see("GET", "/api/v1/flows", &agent.get("/api/v1/flows", &[]).await);
    let agent = Agent::with(|config| config.tail.max_clients = 1).await;
    let _open = agent.stream("/api/v1/flows", &[]).await;
    seen.see("GET", "/api/v1/flows", &agent.get("/api/v1/flows", &[]).await);
}

/// The answer to questions that were announced and do not come.
async fn late_body() -> Answer {
    let limits = Limits { body: Duration::from_millis(50), ..Limits::default() };
    let agent = Agent::set(Settings { limits, ..Settings::default() }).await;
    let mut stream = TcpStream::connect(agent.address).await.unwrap();
    let post = "POST /api/v1/explain HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(post.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within_patience(stream.read_to_string(&mut answer)).await.unwrap();
    Answer::parse(&answer)
}
