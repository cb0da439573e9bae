//! The whole guard, from the client's request to the API server's answer. The API server is a stand-in: a small HTTP
//! server that checks each request exactly. It gives the answers of a real server, and some that no real server should
//! give. The lab tests a real one.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::http::auth::{Auth, Reviews};
use crate::http::testing::Log;
use crate::http::{Settings, serve_with};
use crate::sink::{SinkConfig, Sinks};

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

#[derive(Clone, Default)]
struct StandIn {
    /// A status with which both kinds of review are answered instead.
    instead: Arc<Mutex<Option<StatusCode>>>,
    access: Arc<Mutex<Vec<Value>>>,
}

impl StandIn {
    async fn start(&self) -> String {
        let router = Router::new()
            .route(TOKEN_REVIEWS, post(token_review))
            .route(ACCESS_REVIEWS, post(access_review))
            .with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        url
    }

    fn answer_instead(&self, status: Option<StatusCode>) {
        *self.instead.lock().unwrap() = status;
    }
}

async fn token_review(State(api): State<StandIn>, headers: HeaderMap, Json(asked): Json<Value>) -> Response {
    if let Some(status) = *api.instead.lock().unwrap() {
        return (status, asked.to_string()).into_response();
    }
    assert_eq!(headers["authorization"], "Bearer s3cret-agent");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(asked["kind"], "TokenReview");
    assert_eq!(asked["apiVersion"], "authentication.k8s.io/v1");
    let token = asked["spec"]["token"].as_str().expect("a token").to_owned();
    assert_eq!(asked["spec"], json!({ "token": token }), "the API server's own audience");
    let status = match token.as_str() {
        "s3cret-reader" => json!({"authenticated": true, "audiences": ["k3s"], "user": {
            "username": "system:serviceaccount:web:reader", "uid": "u-1",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "extra": {"authentication.kubernetes.io/pod-name": ["reader-1"]},
        }}),
        "s3cret-nameless" => json!({"authenticated": true, "user": {"groups": ["system:masters"]}}),
        "s3cret-other-audience" => json!({"error":
            "[invalid bearer token, token audiences [\"vault\"] is invalid for the target audiences [\"k3s\"]]"}),
        "s3cret-statusless" => return (StatusCode::CREATED, Json(asked)).into_response(),
        "s3cret-echo" => return (StatusCode::CREATED, format!("no JSON: {asked}")).into_response(),
        "s3cret-endless" => return (StatusCode::CREATED, " ".repeat(2 << 20)).into_response(),
        "s3cret-list" => json!([{"authenticated": true}]),
        // The answer for expired and garbled tokens.
        _ => json!({"error": "[invalid bearer token, Token has been invalidated]"}),
    };
    let review = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": null}, "spec": asked["spec"], "status": status});
    (StatusCode::CREATED, Json(review)).into_response()
}

async fn access_review(State(api): State<StandIn>, Json(asked): Json<Value>) -> Response {
    assert_eq!(asked["kind"], "SubjectAccessReview");
    assert_eq!(asked["apiVersion"], "authorization.k8s.io/v1");
    let spec = asked["spec"].clone();
    api.access.lock().unwrap().push(spec.clone());
    let path = spec["nonResourceAttributes"]["path"].as_str().unwrap();
    let status = match path {
        "/api/v1/pairs" => json!({"allowed": true, "reason": "RBAC: allowed"}),
        "/api/v1/vips" => json!({"allowed": true, "denied": true}),
        "/api/v1/findings" => return StatusCode::FORBIDDEN.into_response(),
        // Every cluster grants this for discovery.
        path => {
            let everybody = spec["groups"].as_array().unwrap().contains(&json!("system:authenticated"));
            json!({"allowed": everybody && path.starts_with("/api/")})
        }
    };
    let review = json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
        "metadata": {}, "spec": spec, "status": status});
    (StatusCode::CREATED, Json(review)).into_response()
}

struct Agent {
    address: std::net::SocketAddr,
    _running: DropGuard,
}

impl Agent {
    async fn start(api: &str) -> Self {
        let mut config = kube::Config::new(api.parse().unwrap());
        config.auth_info.token = Some("s3cret-agent".to_owned().into());
        let reviewer = KubeReviewer::new(kube::Client::try_from(config).unwrap());
        let auth = Auth::Review(Arc::new(Reviews::new(reviewer).unwrap()));
        let (_sinks, shared) = Sinks::new(&SinkConfig::new("n1".into()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        let settings = Settings { auth, ..Settings::default() };
        tokio::spawn(serve_with(listener, shared, settings, cancel.clone()));
        Self { address, _running: cancel.drop_guard() }
    }

    async fn get(&self, path: &str, token: &str) -> (u16, String) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request =
            Request::get(path).header("host", "x").header("authorization", format!("Bearer {token}"));
        let answer = sender.send_request(request.body(String::new()).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn users_and_permissions_are_the_api_servers() {
    let api = StandIn::default();
    let agent = Agent::start(&api.start().await).await;
    for (path, token, status) in [
        ("/api/v1/pairs", "s3cret-reader", 200),
        ("/api/v1/flows", "s3cret-reader", 403),
        ("/api/v1/vips", "s3cret-reader", 403),
        ("/api/v1/pairs", "s3cret-expired", 401),
        ("/api/v1/pairs", "s3cret-other-audience", 401),
        ("/api/v1/pairs", "s3cret-nameless", 401),
        ("/api/v1/pairs", "s3cret-statusless", 401),
        ("/api/v1/pairs", "s3cret-echo", 503),
        ("/api/v1/pairs", "s3cret-endless", 503),
        ("/api/v1/pairs", "s3cret-list", 503),
    ] {
        assert_eq!(agent.get(path, token).await.0, status, "{path} {token}");
    }
    let attributes = |path| json!({"path": path, "verb": "get"});
    let asked = |path| {
        json!({"user": "system:serviceaccount:web:reader", "uid": "u-1",
            "groups": ["system:serviceaccounts"],
            "extra": {"authentication.kubernetes.io/pod-name": ["reader-1"]},
            "nonResourceAttributes": attributes(path)})
    };
    assert_eq!(*api.access.lock().unwrap(), ["/api/v1/pairs", "/api/v1/flows", "/api/v1/vips"].map(asked));
    let (_, body) = agent.get("/api/v1/flows", "s3cret-reader").await;
    assert!(body.contains("system:serviceaccount:web:reader may not get /api/v1/flows"), "{body}");
}

#[tokio::test]
async fn no_answer_of_the_api_server_gets_a_token_logged() {
    let log = Log::capture();
    let api = StandIn::default();
    let agent = Agent::start(&api.start().await).await;
    for token in ["s3cret-reader", "s3cret-echo", "s3cret-list", "s3cret-endless", "s3cret-other-audience"] {
        agent.get("/api/v1/pairs", token).await;
    }
    for status in [
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::FORBIDDEN,
        StatusCode::UNAUTHORIZED,
        StatusCode::NOT_FOUND,
        StatusCode::FOUND,
    ] {
        api.answer_instead(Some(status));
        let (got, body) = agent.get("/api/v1/pairs", "s3cret-other").await;
        assert_eq!(got, 503, "{status}");
        assert!(body.contains("can't be checked now"), "{body}");
    }
    let text = log.text();
    assert!(text.contains("tokenreviews"), "the client's own log is captured: {text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn an_outage_is_logged_once_with_the_remedy() {
    let log = Log::capture();
    let api = StandIn::default();
    let agent = Agent::start(&api.start().await).await;
    api.answer_instead(Some(StatusCode::FORBIDDEN));
    for n in 0..3 {
        assert_eq!(agent.get("/api/v1/pairs", &format!("s3cret-{n}")).await.0, 503);
    }
    api.answer_instead(None);
    assert_eq!(agent.get("/api/v1/pairs", "s3cret-reader").await.0, 200);
    assert_eq!(agent.get("/api/v1/findings", "s3cret-reader").await.0, 503);
    let text = log.text();
    let count = |part: &str| text.matches(part).count();
    assert_eq!(count("credentials can't be checked by the API server"), 2, "{text}");
    assert_eq!(count("credentials can be checked again"), 1, "{text}");
    assert_eq!(count("needs `create` on tokenreviews.authentication.k8s.io"), 1, "{text}");
    assert_eq!(count("needs `create` on subjectaccessreviews.authorization.k8s.io"), 1, "{text}");
}

#[tokio::test]
async fn an_unavailable_api_server_lets_no_request_through() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let log = Log::capture();
    let agent = Agent::start(&url).await;
    assert_eq!(agent.get("/api/v1/pairs", "s3cret-reader").await.0, 503);
    assert!(log.text().contains("Connection refused"), "{}", log.text());
}
