//! Tests of who gets which answer. The reviewer is a table here; the real one is tested with what it asks the API
//! server.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::http::Settings;
use crate::http::auth::{Auth, ReviewError, Reviewer, Reviews, TokenFile, User};
use crate::http::tests::client::{Agent, Answer, eventually};

/// Tokens by user, what may be asked for by `user verb path`, and how often each was asked about.
#[derive(Default)]
struct Table {
    users: Mutex<BTreeMap<String, &'static str>>,
    permissions: Mutex<Vec<&'static str>>,
    down: AtomicBool,
    token_reviews: AtomicUsize,
    access_reviews: AtomicUsize,
    /// Questions open now, and the most there ever were.
    open: AtomicUsize,
    most: AtomicUsize,
    /// Answers wait for a permit.
    gate: Option<Semaphore>,
}

/// The handle of the table that the agent is given.
struct Handle(Arc<Table>);

impl Table {
    fn counts(&self) -> (usize, usize) {
        (self.token_reviews.load(Ordering::SeqCst), self.access_reviews.load(Ordering::SeqCst))
    }

    async fn answer<T>(&self, counter: &AtomicUsize, value: T) -> Result<T, ReviewError> {
        counter.fetch_add(1, Ordering::SeqCst);
        let _open = Open::new(self);
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        if self.down.load(Ordering::SeqCst) { Err(ReviewError("it is down".into())) } else { Ok(value) }
    }
}

/// A question that may be dropped before its answer.
struct Open<'a>(&'a Table);

impl<'a> Open<'a> {
    fn new(table: &'a Table) -> Self {
        let open = table.open.fetch_add(1, Ordering::SeqCst) + 1;
        table.most.fetch_max(open, Ordering::SeqCst);
        Self(table)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Reviewer for Handle {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, ReviewError>> {
        let name = self.0.users.lock().get(token).map(|name| (*name).to_owned());
        let user = name.map(|name| User { name, ..User::default() });
        self.0.answer(&self.0.token_reviews, user).boxed()
    }

    fn authorize<'a>(
        &'a self,
        user: &'a User,
        verb: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<bool, ReviewError>> {
        let asked = format!("{} {verb} {path}", user.name);
        let may = self.0.permissions.lock().contains(&asked.as_str());
        self.0.answer(&self.0.access_reviews, may).boxed()
    }
}

pub(super) struct Guarded {
    pub(super) agent: Agent,
    table: Arc<Table>,
    /// Seconds by which the agent's memory is ahead.
    later: Arc<AtomicU64>,
}

impl Guarded {
    pub(super) async fn start() -> Self {
        Self::with(Table::default()).await
    }

    async fn with(table: Table) -> Self {
        table.users.lock().extend([("reader-token".into(), "reader"), ("nobody-token".into(), "nobody")]);
        table.permissions.lock().extend(["reader get /api/v1/pairs", "reader get /api/v1/nothing"]);
        let (table, later) = (Arc::new(table), Arc::<AtomicU64>::default());
        let clock = {
            let (start, later) = (Instant::now(), Arc::clone(&later));
            Box::new(move || start + Duration::from_secs(later.load(Ordering::SeqCst)))
        };
        let patience = Duration::from_millis(300);
        let reviews = Reviews::with(Handle(Arc::clone(&table)), patience, clock).unwrap();
        let auth = Auth::Review(Arc::new(reviews));
        Self { agent: Agent::set(Settings { auth, ..Settings::default() }).await, table, later }
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.agent.get(path, &[("authorization", &format!("Bearer {token}"))]).await
    }

    async fn status(&self, path: &str, token: &str) -> u16 {
        self.get(path, token).await.status
    }

    pub(super) fn wait(&self, seconds: u64) {
        self.later.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(super) fn api_server_goes_down(&self) {
        self.table.down.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn without_tokens_only_local_names_lead_to_the_api() {
    let agent = Agent::set(Settings { auth: Auth::Local, ..Settings::default() }).await;
    let status = async |path, host| agent.get(path, &[("host", host)]).await.status;
    for host in ["localhost:9477", "127.0.0.1", "[::1]:9477", "10.1.2.3"] {
        assert_eq!(status("/api/v1/pairs", host).await, 200, "{host}");
    }
    let answer = agent.get("/api/v1/pairs", &[("host", "rebound.test")]).await;
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("rebound.test") && answer.body.contains("--auth none"), "{}", answer.body);
    assert_eq!(status("/metrics", "node1").await, 200, "Prometheus may use names");
    let counted = "flow_observer_http_refused_total{reason=\"host\"} 1\n";
    assert!(agent.shared.metrics.encode(crate::sink::metrics::Format::Text).unwrap().contains(counted));
}

#[tokio::test]
async fn what_everybody_may_ask_for() {
    let guarded = Guarded::start().await;
    for path in [
        "/",
        "/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/runbooks/README",
        "/ui/app.js",
        "/metrics?x=y",
    ] {
        assert_eq!(guarded.agent.get(path, &[]).await.status, 200, "{path}");
        assert_eq!(guarded.status(path, "garbled").await, 200, "{path}");
    }
    assert_eq!(guarded.table.counts(), (0, 0));
}

#[tokio::test]
async fn without_valid_credentials_every_other_path_looks_the_same() {
    let guarded = Guarded::start().await;
    let long = "a".repeat(17 << 10);
    let (long, garbled) = (format!("Bearer {long}"), "Bearer reader-token,x".to_owned());
    let credentials = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer expired",
        "Basic cmVhZGVyOnRva2Vu",
        "reader-token",
        &long,
        &garbled,
    ];
    let mut answers = Vec::new();
    for path in [
        "/api/v1/pairs",
        "/api/v1/flows",
        "/api/v1/explain",
        "/api/v1/nothing",
        "/api",
        "/nothing",
        "//metrics",
        "/metrics/",
        "/metrics/../api/v1/pairs",
        "/%6detrics",
        "/api/v1/flows?since=soon",
    ] {
        for credential in credentials {
            for method in ["GET", "POST", "DELETE", "OPTIONS"] {
                let headers = [("authorization", credential)];
                let headers = if credential.is_empty() { &headers[..0] } else { &headers[..] };
                let answer = guarded.agent.request(method, path, headers).await;
                assert_eq!(answer.status, 401, "{method} {path} {credential:.20}");
                assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"flow-observer\"");
                assert_eq!(answer.header("allow"), "", "{method} {path}");
                for (name, value) in [
                    ("x-content-type-options", "nosniff"),
                    ("cache-control", "no-store"),
                    ("x-frame-options", "DENY"),
                    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
                ] {
                    assert_eq!(answer.header(name), value);
                }
                answers.push(answer.body);
            }
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    // Only the one that looks like a token was asked about, and that once.
    assert_eq!(guarded.table.counts(), (1, 0));
}

#[tokio::test]
async fn two_tokens_at_once_are_none() {
    let guarded = Guarded::start().await;
    let twice = [("authorization", "Bearer reader-token"), ("authorization", "Bearer nobody-token")];
    assert_eq!(guarded.agent.get("/api/v1/pairs", &twice).await.status, 401);
}

#[tokio::test]
async fn permissions_hang_on_verb_and_path() {
    let guarded = Guarded::start().await;
    assert_eq!(guarded.status("/api/v1/pairs", "reader-token").await, 200);
    assert_eq!(guarded.status("/api/v1/pairs?namespace=web", "reader-token").await, 200);
    // Who may ask learns that there is nothing; who may not doesn't.
    assert_eq!(guarded.status("/api/v1/nothing", "reader-token").await, 404);
    assert_eq!(guarded.status("/api/v1/nothing", "nobody-token").await, 403);
    assert_eq!(guarded.status("/api/v1/vips", "reader-token").await, 403);
    assert_eq!(guarded.status("/api/v1/pairs/", "reader-token").await, 403);
    let token = [("authorization", "Bearer reader-token")];
    assert_eq!(guarded.agent.request("POST", "/api/v1/pairs", &token).await.status, 403);
    let denied = guarded.get("/api/v1/pairs", "nobody-token").await;
    let error = denied.json()["error"].as_str().unwrap().to_owned();
    assert!(denied.status == 403 && error.starts_with("nobody may not get /api/v1/pairs"), "{error}");
    let metrics = guarded.agent.get("/metrics", &[]).await.body;
    assert!(metrics.contains("flow_observer_http_refused_total{reason=\"forbidden\"} 5\n"), "{metrics}");
}

#[tokio::test]
async fn answers_count_for_seconds() {
    let guarded = Guarded::start().await;
    for _ in 0..3 {
        assert_eq!(guarded.status("/api/v1/pairs", "reader-token").await, 200);
        assert_eq!(guarded.status("/api/v1/pairs", "nobody-token").await, 403);
        assert_eq!(guarded.status("/api/v1/pairs", "gone").await, 401);
    }
    assert_eq!(guarded.table.counts(), (3, 2));
    guarded.table.users.lock().clear();
    guarded.table.permissions.lock().push("nobody get /api/v1/pairs");
    // A refusal is forgotten first: who is given a permission need not wait long.
    guarded.wait(3);
    assert_eq!(guarded.status("/api/v1/pairs", "nobody-token").await, 200);
    assert_eq!(guarded.status("/api/v1/pairs", "reader-token").await, 200);
    assert_eq!(guarded.status("/api/v1/pairs", "gone").await, 401);
    assert_eq!(guarded.table.counts(), (4, 3));
    // And a token that was taken back no longer counts.
    guarded.wait(7);
    assert_eq!(guarded.status("/api/v1/pairs", "reader-token").await, 401);
}

#[tokio::test]
async fn an_api_server_that_is_down_opens_nothing() {
    let guarded = Guarded::start().await;
    assert_eq!(guarded.status("/api/v1/pairs", "reader-token").await, 200);
    guarded.table.down.store(true, Ordering::SeqCst);
    assert_eq!(guarded.status("/api/v1/pairs", "reader-token").await, 200, "remembered");
    for (path, token) in [("/api/v1/pairs", "nobody-token"), ("/api/v1/vips", "reader-token")] {
        let answer = guarded.get(path, token).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "10"));
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("API server"), "{error}");
    }
    guarded.wait(10);
    assert_eq!(guarded.status("/api/v1/pairs", "reader-token").await, 503);
    assert_eq!(guarded.agent.get("/metrics", &[]).await.status, 200);
    guarded.table.down.store(false, Ordering::SeqCst);
    assert_eq!(guarded.status("/api/v1/pairs", "reader-token").await, 200, "a failure is not remembered");
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_is_given_up() {
    let guarded = Guarded::with(Table { gate: Some(Semaphore::new(0)), ..Table::default() }).await;
    // All in one lane: each gives up in its own time, not after the others.
    let asked = join_all((0..20).map(|_| guarded.status("/api/v1/pairs", "reader-token"))).await;
    assert_eq!(asked, [503; 20]);
    guarded.table.gate.as_ref().unwrap().add_permits(1_000);
    assert_eq!(guarded.status("/api/v1/pairs", "reader-token").await, 200);
}

#[tokio::test]
async fn one_token_is_asked_about_once() {
    let guarded = Guarded::with(Table { gate: Some(Semaphore::new(0)), ..Table::default() }).await;
    let clients = join_all((0..20).map(|_| guarded.status("/api/v1/pairs", "reader-token")));
    let release = async {
        eventually(|| guarded.table.counts().0 > 0).await;
        guarded.table.gate.as_ref().unwrap().add_permits(1_000);
    };
    let (statuses, ()) = tokio::join!(clients, release);
    assert_eq!(statuses, [200; 20]);
    assert_eq!(guarded.table.counts(), (1, 1));
}

#[tokio::test]
async fn many_tokens_are_asked_about_a_few_at_a_time() {
    let guarded = Guarded::with(Table { gate: Some(Semaphore::new(0)), ..Table::default() }).await;
    let tokens: Vec<String> = (0..50).map(|n| format!("t{n}")).collect();
    let statuses = join_all(tokens.iter().map(|token| guarded.status("/api/v1/pairs", token))).await;
    assert_eq!(statuses, [503; 50]);
    let most = guarded.table.most.load(Ordering::SeqCst);
    assert!((2..=16).contains(&most), "{most} at a time");
    assert_eq!(guarded.table.open.load(Ordering::SeqCst), 0, "given up");
}

#[tokio::test]
async fn a_client_that_tries_token_after_token_is_stopped() {
    let guarded = Guarded::start().await;
    let mut statuses = Vec::new();
    for n in 0..40 {
        statuses.push(guarded.status("/api/v1/pairs", &format!("guess{n}")).await);
    }
    assert_eq!(statuses, [[401; 30].as_slice(), &[429; 10]].concat());
    assert_eq!(guarded.table.counts().0, 30);
    guarded.wait(10);
    assert_eq!(guarded.status("/api/v1/pairs", "reader-token").await, 200);
}

async fn with_tokens(text: &str) -> (Agent, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("tokens"), text).unwrap();
    let auth = Auth::Token(Arc::new(TokenFile::load(&dir.path().join("tokens")).unwrap()));
    (Agent::set(Settings { auth, ..Settings::default() }).await, dir)
}

impl Agent {
    async fn admits(&self, token: &str) -> bool {
        let answer = self.get("/api/v1/pairs", &[("authorization", &format!("Bearer {token}"))]).await;
        assert!([200, 401].contains(&answer.status), "{}", answer.status);
        answer.status == 200
    }

    async fn comes_to_admit(&self, token: &str, yes: bool) {
        crate::http::tests::client::within_patience(async {
            while self.admits(token).await != yes {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn tokens_of_a_file() {
    let (agent, _dir) = with_tokens("first\n\n  second\r\nno token\n\u{fc}\nthird").await;
    for token in ["first", "second", "third"] {
        assert!(agent.admits(token).await, "{token}");
    }
    for token in ["firs", "firstt", "FIRST", "no", "token", "first\tsecond", "first second", ""] {
        assert!(!agent.admits(token).await, "{token}");
    }
    let token = [("authorization", "Bearer first")];
    assert_eq!(agent.get("/api/v1/nothing", &token).await.status, 404);
    assert_eq!(agent.get("/api/v1/nothing", &[]).await.status, 401);
}

#[tokio::test]
async fn an_empty_file_admits_nobody() {
    for text in ["", "\n", "  \n\n"] {
        let (agent, _dir) = with_tokens(text).await;
        for header in ["Bearer ", "Bearer", "Bearer \n"].map(str::trim_end) {
            assert_eq!(agent.get("/api/v1/pairs", &[("authorization", header)]).await.status, 401);
        }
    }
}

#[tokio::test]
async fn tokens_change_with_their_file() {
    let (agent, dir) = with_tokens("old").await;
    let path = dir.path().join("tokens");
    assert!(agent.admits("old").await);
    fs::write(&path, "new").unwrap();
    agent.comes_to_admit("new", true).await;
    assert!(!agent.admits("old").await);
    fs::remove_file(&path).unwrap();
    agent.comes_to_admit("new", false).await;
    fs::write(&path, "new").unwrap();
    agent.comes_to_admit("new", true).await;
}
