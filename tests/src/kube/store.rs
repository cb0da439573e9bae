//! Fills the store of an API server at once.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::server::ApiServer;

/// Objects in one request; etcd accepts 128 operations and 1.5 MiB.
const BATCH: usize = 64;

impl ApiServer {
    /// Writes objects into etcd, from where the server reads them as any others. A large cluster takes seconds by this way;
    /// as many requests to the server would take minutes. The server doesn't check or complete them.
    ///
    /// # Errors
    /// Fails when etcd refuses them.
    pub fn fill(&self, objects: &[Value]) -> Result<()> {
        let at = self.etcd_at();
        self.place().run(|| objects.chunks(BATCH).try_for_each(|batch| put(at, batch)))
    }
}

fn put(at: SocketAddr, objects: &[Value]) -> Result<()> {
    let text = |text: &str| BASE64_STANDARD.encode(text);
    let puts = objects
        .iter()
        .map(|object| {
            let (key, value) = (text(&key(object)?), text(&object.to_string()));
            Ok(json!({"requestPut": {"key": key, "value": value}}))
        })
        .collect::<Result<Vec<_>>>()?;
    let body = json!({"success": puts}).to_string();
    let mut stream = TcpStream::connect(at)?;
    let length = body.len();
    write!(
        stream,
        "POST /v3/kv/txn HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "etcd: {answer}");
    Ok(())
}

/// Returns where the server keeps an object.
fn key(object: &Value) -> Result<String> {
    let kind = object["kind"].as_str().context("an object without a kind")?;
    let directory = match kind {
        "Namespace" => "namespaces",
        "Node" => "minions",
        "Pod" => "pods",
        "ReplicaSet" => "replicasets",
        "Service" => "services/specs",
        "EndpointSlice" => "endpointslices",
        "NetworkPolicy" => "networkpolicies",
        _ => bail!("teach this function where {kind} is kept"),
    };
    let name = object["metadata"]["name"].as_str().context("an object without a name")?;
    Ok(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("/registry/{directory}/{namespace}/{name}"),
        None => format!("/registry/{directory}/{name}"),
    })
}
