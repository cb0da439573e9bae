//! Stands in for an API server, over real HTTP: creates, reads and patches Events, and fails on request. Validation and
//! access control are tried on a real one, in `tests/`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Clone, Default)]
pub(super) struct Server {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    events: BTreeMap<(String, String), Value>,
    requests: Vec<String>,
    /// The answer to everything, if set.
    fault: Option<(u16, &'static str)>,
}

impl Server {
    pub(super) async fn start() -> (Self, Client) {
        let server = Self::default();
        let events = "/api/v1/namespaces/{namespace}/events";
        let router = Router::new()
            .route(events, axum::routing::post(create))
            .route(&format!("{events}/{{name}}"), get(read).patch(patch))
            .route("/api/v1/namespaces/{namespace}/services/{name}", get(service))
            .with_state(server.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (server, client(&url))
    }

    pub(super) fn fail(&self, fault: Option<(u16, &'static str)>) {
        self.inner.lock().unwrap().fault = fault;
    }

    /// Methods of all requests so far, with the faults they met.
    pub(super) fn requests(&self) -> Vec<String> {
        self.inner.lock().unwrap().requests.clone()
    }

    pub(super) fn events(&self) -> Vec<Value> {
        self.inner.lock().unwrap().events.values().cloned().collect()
    }

    pub(super) fn put(&self, event: Value) {
        let key = |of: &str| event["metadata"][of].as_str().unwrap().to_owned();
        let key = (key("namespace"), key("name"));
        self.inner.lock().unwrap().events.insert(key, event);
    }

    pub(super) fn expire(&self) {
        self.inner.lock().unwrap().events.clear();
    }

    fn note(&self, method: &str) -> Option<Response> {
        let mut inner = self.inner.lock().unwrap();
        let fault = inner.fault;
        inner.requests.push(fault.map_or_else(|| method.to_owned(), |(code, _)| format!("{method} {code}")));
        fault.map(|(code, reason)| failure(code, reason))
    }
}

pub(super) fn client(url: &str) -> Client {
    let mut config = Config::new(url.parse().unwrap());
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn failure(code: u16, reason: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("as the test asked: {reason}"), "reason": reason, "code": code,
    });
    (StatusCode::from_u16(code).unwrap(), Json(status)).into_response()
}

type Name = (String, String);

async fn create(
    State(server): State<Server>,
    Path(namespace): Path<String>,
    Json(event): Json<Value>,
) -> Response {
    if let Some(fault) = server.note("POST") {
        return fault;
    }
    let key = (namespace, event["metadata"]["name"].as_str().unwrap().to_owned());
    let mut inner = server.inner.lock().unwrap();
    if inner.events.contains_key(&key) {
        return failure(409, "AlreadyExists");
    }
    inner.events.insert(key, event.clone());
    (StatusCode::CREATED, Json(event)).into_response()
}

async fn read(State(server): State<Server>, Path(key): Path<Name>) -> Response {
    if let Some(fault) = server.note("GET") {
        return fault;
    }
    let inner = server.inner.lock().unwrap();
    inner
        .events
        .get(&key)
        .map_or_else(|| failure(404, "NotFound"), |event| Json(event.clone()).into_response())
}

async fn patch(State(server): State<Server>, Path(key): Path<Name>, Json(change): Json<Value>) -> Response {
    if let Some(fault) = server.note("PATCH") {
        return fault;
    }
    let mut inner = server.inner.lock().unwrap();
    let Some(event) = inner.events.get_mut(&key) else { return failure(404, "NotFound") };
    for (name, value) in change.as_object().unwrap() {
        event[name] = value.clone();
    }
    Json(event.clone()).into_response()
}

async fn service(Path((namespace, name)): Path<Name>) -> Json<Value> {
    Json(json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": { "namespace": namespace, "name": name, "uid": format!("uid-of-{name}") },
    }))
}
