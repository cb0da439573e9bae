//! `/api/v1/explain`: verdicts of the policies, by the newest snapshot of the cluster.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flow_policy::query::{Explainer, Query, Reply, reply};
use futures_util::stream;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::http::answer::Failure;
use crate::http::app::App;
use crate::http::query::parameters;

/// Size of the questions of one request, in bytes.
const MAX_BODY: usize = 1 << 20;
/// Questions answered before other requests get their turn.
const BATCH: usize = 64;

/// Answers one question: `?src=ns/pod&dst=ns/svc:5432/TCP`.
pub(super) async fn get(State(app): State<App>, uri: Uri) -> Result<Json<Reply>, Failure> {
    let (mut src, mut dst) = (None, None);
    for (name, value) in parameters(&uri, &["src", "dst"])? {
        match name.as_str() {
            "src" => src = Some(value),
            _ => dst = Some(value),
        }
    }
    let (Some(src), Some(dst)) = (src, dst) else {
        return Err(Failure::bad_request(
            "two parameters are needed, e.g. ?src=web/front&dst=data/db:5432/TCP",
        ));
    };
    let query = Query::parse(&src, &dst).map_err(|error| Failure::bad_request(error.to_string()))?;
    let shared = app.shared;
    blocking(move || Reply::new(Value::Null, shared.explainer().answer(&query))).await.map(Json)
}

/// Answers one question per line, in the same order. A line that can't be understood gets an error, and the others go
/// on.
pub(super) async fn post(State(app): State<App>, body: Body) -> Result<Response, Failure> {
    let questions = questions(body, app.limits.body).await?;
    let shared = app.shared;
    let explainer = blocking(move || shared.explainer()).await?;
    let answers = Answers { explainer, questions, cancel: app.cancel };
    let body = stream::unfold(Some(answers), async |answers| match answers?.next().await {
        ControlFlow::Continue((chunk, answers)) => Some((Ok(chunk), Some(answers))),
        ControlFlow::Break(Some(error)) => Some((Err(error), None)),
        ControlFlow::Break(None) => None,
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response())
}

async fn questions(body: Body, patience: Duration) -> Result<Bytes, Failure> {
    let too_large = || {
        let error = format!("questions of one request may take {} MiB; send them in several", MAX_BODY >> 20);
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, error)
    };
    // A client that announces the length need not send the body.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    match timeout(patience, to_bytes(body, MAX_BODY)).await {
        Ok(questions) => questions.map_err(|_| too_large()),
        Err(_) => {
            let error = format!("the questions did not arrive within {} s", patience.as_secs());
            Err(Failure::new(StatusCode::REQUEST_TIMEOUT, error))
        }
    }
}

/// The answers. They are far longer than the questions, so they are computed while the client reads them.
struct Answers {
    explainer: Arc<Explainer>,
    questions: Bytes,
    cancel: CancellationToken,
}

impl Answers {
    async fn next(self) -> ControlFlow<Option<io::Error>, (Bytes, Self)> {
        if self.questions.is_empty() {
            return ControlFlow::Break(None);
        }
        if self.cancel.is_cancelled() {
            // A regular end would look like the last answer.
            return ControlFlow::Break(Some(io::Error::other("the agent stops")));
        }
        match tokio::task::spawn_blocking(move || self.answer_some()).await {
            Ok(next) => ControlFlow::Continue(next),
            Err(error) => ControlFlow::Break(Some(io::Error::other(error))),
        }
    }

    fn answer_some(mut self) -> (Bytes, Self) {
        let mut out = Vec::new();
        for _ in 0..BATCH {
            let line = self.take_line();
            if !line.trim_ascii().is_empty() {
                let answer = reply(&self.explainer, &line);
                // Writing JSON to memory does not fail.
                serde_json::to_writer(&mut out, &answer).ok();
                out.push(b'\n');
            }
        }
        (out.into(), self)
    }

    fn take_line(&mut self) -> Bytes {
        let end = self.questions.iter().position(|byte| *byte == b'\n');
        match end {
            Some(end) => self.questions.split_to(end + 1),
            None => std::mem::take(&mut self.questions),
        }
    }
}

/// Runs the work on a thread for blocking work: indexing a large cluster takes a while.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no answer: {error}")))
}
