//! Changes the store of an API server at once.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::place::Place;
use super::server::ApiServer;

/// Objects in one request; etcd accepts 128 operations and 1.5 MiB.
const BATCH: usize = 64;

/// The store behind an API server. It stays while the server is away.
#[derive(Clone, Debug)]
pub struct Store {
    place: Place,
    at: SocketAddr,
}

impl ApiServer {
    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> Store {
        Store { place: self.place().clone(), at: self.etcd_at() }
    }

    /// Writes objects into the store, see [`Store::fill`].
    ///
    /// # Errors
    /// Fails when etcd refuses them.
    pub fn fill(&self, objects: &[Value]) -> Result<()> {
        self.store().fill(objects)
    }
}

impl Store {
    /// Writes objects into etcd, from where the server reads them as any others. A large cluster takes seconds by this way;
    /// as many requests to the server would take minutes. The server doesn't check or complete them.
    ///
    /// # Errors
    /// Fails when etcd refuses them.
    pub fn fill(&self, objects: &[Value]) -> Result<()> {
        self.change(objects, |key, object| {
            json!({"requestPut": {"key": key, "value": BASE64_STANDARD.encode(object.to_string())}})
        })
    }

    /// Removes objects from etcd. The server reports them as deleted.
    ///
    /// # Errors
    /// Fails when etcd refuses.
    pub fn erase(&self, objects: &[Value]) -> Result<()> {
        self.change(objects, |key, _| json!({"requestDeleteRange": {"key": key}}))
    }

    fn change(&self, objects: &[Value], how: impl Fn(String, &Value) -> Value + Sync) -> Result<()> {
        let one = |object: &Value| Ok(how(BASE64_STANDARD.encode(key(object)?), object));
        self.place.run(|| {
            objects
                .chunks(BATCH)
                .try_for_each(|batch| commit(self.at, &batch.iter().map(one).collect::<Result<Vec<_>>>()?))
        })
    }
}

fn commit(at: SocketAddr, operations: &[Value]) -> Result<()> {
    let body = json!({"success": operations}).to_string();
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
