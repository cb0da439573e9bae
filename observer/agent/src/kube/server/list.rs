//! The objects of a kind, one by one as they arrive: answers from the server's cache have no pages, and ten thousand pods as
//! text are more than an agent should hold. From the store they come page by page.

use flow_objects::kinds::Content;
use kube::Client;
use kube::api::{ListParams, VersionMatch};
use kube::client::Body;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::kube::server::failure::Failure;
use crate::kube::server::page::{self, SILENCE};
use crate::kube::server::resource::Endpoint;

/// A page has at most this many objects.
const PAGE: u32 = 500;

/// The origin of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The server's cache, which is cheap and at most a little old.
    Cache,
    /// The store. After a version expired the cache may be older than the known objects.
    Store,
}

/// Lists all objects, and gives each to `item`, which returns false to stop. Returns the version from which to watch.
pub(super) async fn all<F>(
    client: &Client,
    of: &Endpoint,
    from: From,
    cancel: &CancellationToken,
    mut item: F,
) -> Result<String, Failure>
where
    F: FnMut(Value) -> bool + Send + 'static,
{
    let mut next = None;
    loop {
        let body = ask(client, of, from, next.as_deref()).await?;
        let meta;
        (meta, item) = page::read(body, cancel.clone(), item).await?;
        match meta.next.filter(|next| !next.is_empty()) {
            Some(token) => next = Some(token),
            None => return Ok(meta.resource_version),
        }
    }
}

async fn ask(client: &Client, of: &Endpoint, from: From, next: Option<&str>) -> Result<Body, Failure> {
    let mut params =
        ListParams { field_selector: of.resource.field_selector().map(Into::into), ..ListParams::default() };
    match (next, from) {
        (Some(token), _) => params = params.limit(PAGE).continue_token(token),
        // The cache has no pages.
        (None, From::Cache) => params = params.at("0").matching(VersionMatch::NotOlderThan),
        (None, From::Store) => params = params.limit(PAGE),
    }
    let request = of.request();
    let request = match of.resource.content() {
        Content::Metadata => request.list_metadata(&params),
        Content::Whole => request.list(&params),
    };
    send(client, request.map_err(|e| Failure::Other(e.to_string()))?).await
}

/// Sends a request. Returns the body of an answer that grants it.
pub(super) async fn send(client: &Client, request: http::Request<Vec<u8>>) -> Result<Body, Failure> {
    let answer = tokio::time::timeout(SILENCE, client.send(request.map(Body::from)));
    let (parts, body) = answer.await.map_err(|_| Failure::silent(SILENCE))??.into_parts();
    if parts.status.is_success() {
        return Ok(body);
    }
    let failure = tokio::time::timeout(SILENCE, Failure::of_response(parts, body));
    Err(failure.await.unwrap_or_else(|_| Failure::silent(SILENCE)))
}
