//! Stands in for an API server and the kubelets behind it: lists pods, and forwards ports as `v4.channel.k8s.io` does, to a
//! server at a real address. It uses real HTTP and real websockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// The kubeconfig's token.
pub(crate) const TOKEN: &str = "of-the-user";

#[derive(Clone, Default)]
pub(crate) struct Cluster {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// Pods by name, each with the address of its server.
    pods: BTreeMap<String, (Value, SocketAddr)>,
    /// Bytes that clients sent through forwarded ports.
    sent: String,
    /// Nodes without a pod.
    bare_nodes: Vec<String>,
    forbid_pods: bool,
    forbid_forward: bool,
    forbid_nodes: bool,
}

impl Cluster {
    /// Starts a server, and makes a directory with a `kubeconfig` for it.
    pub(crate) async fn start() -> (Self, TempDir) {
        let cluster = Self::default();
        let pods = "/api/v1/namespaces/{namespace}/pods";
        let router = Router::new()
            .route(pods, get(list))
            .route("/api/v1/nodes", get(nodes))
            .route(&format!("{pods}/{{name}}/portforward"), get(forward))
            .with_state(cluster.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let dir = TempDir::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{ "name": "c", "cluster": { "server": server } }],
            "users": [{ "name": "u", "user": { "token": TOKEN } }],
            "contexts": [
                { "name": "here", "context": { "cluster": "c", "user": "u" } },
                { "name": "there", "context": { "cluster": "c", "user": "u" } },
            ],
        });
        std::fs::write(Self::kubeconfig(&dir), config.to_string()).unwrap();
        (cluster, dir)
    }

    pub(crate) fn kubeconfig(dir: &TempDir) -> PathBuf {
        dir.path().join("kubeconfig")
    }

    /// A running pod of the DaemonSet, in which this address listens.
    pub(crate) fn add(&self, name: &str, node: &str, address: SocketAddr) {
        let pod = json!({
            "metadata": { "namespace": "flow-observer", "name": name, "uid": format!("uid-of-{name}") },
            "spec": { "nodeName": node, "containers": [
                { "name": "agent", "ports": [{ "name": "other", "containerPort": 1 }, { "name": "http", "containerPort": 9000 }] },
            ] },
            "status": {
                "phase": "Running", "startTime": "2026-01-01T00:00:00Z",
                "conditions": [{ "type": "Ready", "status": "True" }],
            },
        });
        self.inner.lock().pods.insert(name.to_owned(), (pod, address));
    }

    /// A node without an agent.
    pub(crate) fn add_node(&self, name: &str) {
        self.inner.lock().bare_nodes.push(name.to_owned());
    }

    pub(crate) fn set_unready(&self, name: &str) {
        let mut inner = self.inner.lock();
        inner.pods.get_mut(name).unwrap().0["status"]["conditions"][0]["status"] = json!("False");
    }

    pub(crate) fn forbid_nodes(&self) {
        self.inner.lock().forbid_nodes = true;
    }

    pub(crate) fn remove(&self, name: &str) {
        self.inner.lock().pods.remove(name);
    }

    pub(crate) fn set_phase(&self, name: &str, phase: &str) {
        self.inner.lock().pods.get_mut(name).unwrap().0["status"]["phase"] = json!(phase);
    }

    pub(crate) fn forbid(&self, pods: bool, forward: bool) {
        let mut inner = self.inner.lock();
        (inner.forbid_pods, inner.forbid_forward) = (pods, forward);
    }

    pub(crate) fn sent(&self) -> String {
        self.inner.lock().sent.clone()
    }
}

fn forbidden(what: &str) -> Response {
    let message = format!("{what} is forbidden: User \"u\" cannot do that");
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": message,
    });
    (StatusCode::FORBIDDEN, Json(status)).into_response()
}

async fn list(
    State(cluster): State<Cluster>,
    Path(namespace): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let inner = cluster.inner.lock();
    if inner.forbid_pods {
        return forbidden("pods");
    }
    let ours =
        namespace == "flow-observer" && query["labelSelector"] == "app.kubernetes.io/name=flow-observer";
    let items: Vec<_> = inner.pods.values().filter(|_| ours).map(|(pod, _)| pod.clone()).collect();
    Json(json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items })).into_response()
}

async fn nodes(State(cluster): State<Cluster>) -> Response {
    let inner = cluster.inner.lock();
    if inner.forbid_nodes {
        return forbidden("nodes");
    }
    let with_pods = inner.pods.values().map(|(pod, _)| pod["spec"]["nodeName"].as_str().unwrap());
    let all = with_pods.chain(inner.bare_nodes.iter().map(String::as_str));
    let items: Vec<_> = all.map(|name| json!({ "metadata": { "name": name } })).collect();
    let kind = ("PartialObjectMetadataList", "meta.k8s.io/v1");
    Json(json!({ "kind": kind.0, "apiVersion": kind.1, "metadata": {}, "items": items })).into_response()
}

async fn forward(
    State(cluster): State<Cluster>,
    Path((_, name)): Path<(String, String)>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    mut request: Request,
) -> Response {
    let address = {
        let inner = cluster.inner.lock();
        if inner.forbid_forward {
            return forbidden("pods/portforward");
        }
        let Some((_, address)) = inner.pods.get(&name) else { return StatusCode::NOT_FOUND.into_response() };
        *address
    };
    let port: u16 = query["ports"].parse().unwrap();
    let accept = derive_accept_key(headers[SEC_WEBSOCKET_KEY].as_bytes());
    tokio::spawn(async move {
        let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        // The client may disconnect at any time.
        bridge(socket, port, address, cluster).await.ok();
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "Upgrade")
        .header(SEC_WEBSOCKET_ACCEPT, accept)
        .header(SEC_WEBSOCKET_PROTOCOL, "v4.channel.k8s.io")
        .body(Body::empty())
        .unwrap()
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Channel 0 has data, channel 1 an error; each begins with the port.
async fn bridge(socket: Socket, port: u16, address: SocketAddr, cluster: Cluster) -> Result<(), Failure> {
    let (mut to_client, mut from_client) = socket.split();
    let frame = |channel: u8, bytes: &[u8]| Message::binary([&[channel], bytes].concat());
    for channel in [0, 1] {
        to_client.send(frame(channel, &port.to_le_bytes())).await?;
    }
    assert_eq!(port, 9000, "the pod's port named http");
    let mut agent = match TcpStream::connect(address).await {
        Ok(agent) => agent,
        Err(error) => {
            let text = format!("error forwarding port {port} to pod: {error}\n");
            to_client.send(frame(1, text.as_bytes())).await?;
            return Ok(to_client.close().await?);
        }
    };
    let (mut from_agent, mut to_agent) = agent.split();
    let down = async {
        let mut buffer = vec![0; 4096];
        loop {
            let n = from_agent.read(&mut buffer).await?;
            if n == 0 {
                return Ok::<_, Failure>(to_client.close().await?);
            }
            to_client.send(frame(0, &buffer[..n])).await?;
        }
    };
    let up = async {
        while let Some(message) = from_client.next().await {
            if let Message::Binary(bytes) = message?
                && bytes.first() == Some(&0)
            {
                cluster.inner.lock().sent.push_str(&String::from_utf8_lossy(&bytes[1..]));
                to_agent.write_all(&bytes[1..]).await?;
            }
        }
        Ok::<_, Failure>(())
    };
    tokio::select! {
        done = down => done,
        done = up => done,
    }
}
