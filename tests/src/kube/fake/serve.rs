//! Connections and requests.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::answer::{self, Body, Form};
use super::kinds::Kind;
use super::query::Query;
use super::{Shared, discovery, watch};

/// A request for objects of one kind.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    pub(super) query: Query,
    pub(super) form: Form,
}

impl Asked {
    pub(super) fn selects(&self, object: &Value) -> bool {
        self.query.selects(self.namespace.as_deref(), object)
    }
}

pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(respond(&request, &shared)) }
            });
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

fn respond(request: &Request<Incoming>, shared: &Arc<Shared>) -> Response<Body> {
    if request.method() != Method::GET {
        return answer::failure(405, "MethodNotAllowed", "the fake is written to by its test only");
    }
    let path: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).collect();
    if matches!(path.as_slice(), ["readyz" | "livez" | "healthz"]) {
        return answer::json(StatusCode::OK, &json!("ok"));
    }
    if let Some(found) = discovery::answer(&path, shared.store().kinds()) {
        return answer::json(StatusCode::OK, &found);
    }
    let Some((kind, namespace, name)) = target(&path, shared) else {
        return answer::failure(404, "NotFound", "the server could not find the requested resource");
    };
    let accept = request.headers().get("accept").and_then(|a| a.to_str().ok()).unwrap_or_default();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let asked = Asked { kind, namespace, query, form: Form::wanted(accept) };
    match name {
        Some(name) => get(&asked, &name, shared),
        None if asked.query.is_set("watch") => watch::answer(asked, shared),
        None => list(&asked, shared),
    }
}

/// Reads kind, namespace and name from a path.
fn target(path: &[&str], shared: &Shared) -> Option<(Kind, Option<String>, Option<String>)> {
    let (group, version, rest) = match path {
        ["api", version, rest @ ..] => ("", version, rest),
        ["apis", group, version, rest @ ..] => (*group, version, rest),
        _ => return None,
    };
    let (namespace, plural, name) = match rest {
        ["namespaces", namespace, plural] => (Some(namespace), plural, None),
        ["namespaces", namespace, plural, name] => (Some(namespace), plural, Some(name)),
        [plural] => (None, plural, None),
        [plural, name] => (None, plural, Some(name)),
        _ => return None,
    };
    let kind = shared.store().kind(group, version, plural)?.clone();
    Some((kind, namespace.map(|n| (*n).to_owned()), name.map(|n| (*n).to_owned())))
}

fn get(asked: &Asked, name: &str, shared: &Shared) -> Response<Body> {
    let store = shared.store();
    let objects = store.at(&asked.kind, store.version());
    let found = objects.iter().find(|o| o["metadata"]["name"] == name && asked.selects(o));
    match found {
        Some(object) => answer::json(StatusCode::OK, &asked.form.of(object)),
        None => answer::failure(404, "NotFound", &format!("{} \"{name}\" not found", asked.kind.plural)),
    }
}

/// Answers in pages, all of the first page's version. As with a real server's cache, `resourceVersion=0` has no pages.
fn list(asked: &Asked, shared: &Shared) -> Response<Body> {
    let store = shared.store();
    let (version, skip) = match asked.query.text("continue").split_once('.') {
        Some((version, skip)) => (version.parse().unwrap_or_default(), skip.parse().unwrap_or_default()),
        None => (store.version(), 0),
    };
    if !store.knows(version) {
        return answer::json(StatusCode::GONE, &answer::expired(version, store.version()));
    }
    let mut items: Vec<Value> =
        store.at(&asked.kind, version).into_iter().filter(|o| asked.selects(o)).collect();
    items.drain(..items.len().min(skip));
    let mut metadata = json!({"resourceVersion": version.to_string()});
    let limit = asked.query.number("limit").filter(|_| asked.query.text("resourceVersion") != "0");
    if let Some(limit) = limit.and_then(|l| usize::try_from(l).ok()).filter(|l| (1..items.len()).contains(l))
    {
        metadata["remainingItemCount"] = json!(items.len() - limit);
        metadata["continue"] = json!(format!("{version}.{}", skip + limit));
        items.truncate(limit);
    }
    answer::json(StatusCode::OK, &asked.form.list(&asked.kind, &metadata, &items))
}
