//! A server over real HTTP that answers lists and watches by path as each test wants.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use flow_objects::kinds::{Kind, Presence};
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;
use tokio::net::TcpListener;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The server's answer for one kind.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status of lists and watches.
    pub(crate) status: u16,
    pub(crate) items: Vec<Value>,
    /// Lines that each watch sends at once; it then stays open, or ends.
    pub(crate) events: Vec<String>,
    pub(crate) open: bool,
}

/// The server's answers by plural, and the requests that it received.
#[derive(Debug, Default)]
pub(crate) struct Server {
    answers: Mutex<HashMap<String, Answer>>,
    pub(crate) asked: Mutex<Vec<String>>,
    /// The API groups with their versions; without any the server has no such list.
    groups: Mutex<Vec<(&'static str, &'static str)>>,
    /// Groups whose preferred version lists no resource; version `v0` has them all.
    empty: Mutex<Vec<&'static str>>,
}

impl Default for Answer {
    fn default() -> Self {
        Self { status: 200, items: Vec::new(), events: Vec::new(), open: true }
    }
}

impl Server {
    pub(crate) fn new() -> Arc<Self> {
        let server = Self::default();
        let rows = Kind::iter().map(Kind::row).filter(|row| row.presence == Presence::Required);
        let all = rows.map(|row| (row.plural.to_owned(), Answer::default()));
        server.answers.lock().extend(all);
        server.set("namespaces", |a| a.items = vec![json!({"metadata": {"name": "web"}})]);
        Arc::new(server)
    }

    pub(crate) fn set(&self, plural: &str, change: impl FnOnce(&mut Answer)) {
        change(self.answers.lock().entry(plural.to_owned()).or_default());
    }

    /// Adds an API group.
    pub(crate) fn group(&self, name: &'static str, version: &'static str) {
        self.groups.lock().push((name, version));
    }

    /// Adds an API group whose resources are in another version than the preferred one.
    pub(crate) fn group_of_older(&self, name: &'static str, preferred: &'static str) {
        self.empty.lock().push(name);
        self.group(name, preferred);
    }

    /// Returns what the server lists at a path, if that is a version of a group.
    fn listed(&self, path: &str) -> Option<Value> {
        let (name, version) = path.strip_prefix("/apis/")?.split_once('/')?;
        let preferred = self.groups.lock().iter().find(|(group, _)| *group == name)?.1;
        let is_empty = self.empty.lock().contains(&name);
        if version != if is_empty { "v0" } else { preferred } {
            return (version == preferred).then(|| json!({"resources": []}));
        }
        let names: Vec<_> = self.answers.lock().keys().map(|name| json!({"name": name})).collect();
        Some(json!({"resources": names}))
    }

    fn groups(&self) -> Response<Body> {
        let groups = self.groups.lock();
        if groups.is_empty() {
            return refusal(404);
        }
        let version = |name: &str, version: &str| json!({"groupVersion": format!("{name}/{version}"), "version": version});
        let group = |(name, preferred): &(&str, &str)| {
            let preferred = version(name, preferred);
            json!({"name": name, "versions": [version(name, "v0"), preferred], "preferredVersion": preferred})
        };
        let groups: Vec<_> = groups.iter().map(group).collect();
        Response::new(full(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}).to_string()))
    }

    pub(crate) fn remove(&self, plural: &str) {
        self.answers.lock().remove(plural);
    }

    pub(crate) fn asked(&self, what: &str) -> usize {
        self.asked.lock().iter().filter(|uri| uri.contains(what)).count()
    }

    pub(crate) fn lists(&self, plural: &str) -> usize {
        self.asked(&format!("/{plural}?")) - self.asked(&format!("/{plural}?&watch"))
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        self.asked.lock().push(request.uri().to_string());
        if request.uri().path() == "/apis" {
            return self.groups();
        }
        if let Some(listed) = self.listed(request.uri().path()) {
            return Response::new(full(listed.to_string()));
        }
        let plural = request.uri().path().rsplit('/').next().unwrap_or_default();
        let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let answers = self.answers.lock();
        let Some(answer) = answers.get(plural) else { return refusal(404) };
        match (answer.status, watch) {
            (200, false) => {
                let list = json!({"metadata": {"resourceVersion": "10"}, "items": answer.items});
                Response::new(full(list.to_string()))
            }
            (200, true) => Response::new(lines(answer)),
            (status, _) => refusal(status),
        }
    }

    /// Its address.
    pub(crate) async fn start(self: Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = Arc::clone(&self);
                let service = service_fn(move |request| {
                    let answer = server.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        format!("http://{address}")
    }
}

fn full(text: String) -> Body {
    Full::new(Bytes::from(text)).boxed_unsync()
}

fn lines(answer: &Answer) -> Body {
    let lines: Vec<_> = answer.events.iter().map(|line| Ok(Frame::data(Bytes::from(line.clone())))).collect();
    let lines = stream::iter(lines);
    match answer.open {
        true => StreamBody::new(futures_util::StreamExt::chain(lines, stream::pending())).boxed_unsync(),
        false => StreamBody::new(lines).boxed_unsync(),
    }
}

fn refusal(code: u16) -> Response<Body> {
    let status = json!({"kind": "Status", "code": code, "message": format!("refused with {code}")});
    let mut response = Response::new(full(status.to_string()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

pub(crate) fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}

pub(crate) fn pod(name: &str, ip: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "web", "resourceVersion": "11"},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Running", "podIP": ip}})
}

pub(crate) fn policy(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "web"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}})
}
