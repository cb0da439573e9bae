//! A kind's objects, item by item as they come: answers from the server's cache have no pages, and ten thousand pods as text
//! are more than an agent should hold. From the store they come page by page.

use std::fmt;
use std::io::{BufReader, Read};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::api::{ListParams, VersionMatch};
use kube::client::Body;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tokio_util::sync::CancellationToken;

use crate::kube::server::failure::Failure;
use crate::kube::server::kind::Kind;

const PAGE: u32 = 500;

/// A server that says nothing for so long in the middle of a list is given up, and one that takes so long for a page.
const SILENCE: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_mins(5);

/// What a page says of the list.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) resource_version: String,
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

/// Where a list may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The server's cache: cheap, and at most a little old.
    Cache,
    /// The store: after a version expired the cache may be older than what we know.
    Store,
}

/// Lists all, giving each object to `item`, which says false to stop. The version from which to watch.
pub(super) async fn all<F>(
    client: &Client,
    kind: &Kind,
    from: From,
    cancel: &CancellationToken,
    mut item: F,
) -> Result<String, Failure>
where
    F: FnMut(Value) -> bool + Send + 'static,
{
    let mut next = None;
    loop {
        let body = ask(client, kind, from, next.as_deref()).await?;
        let meta;
        (meta, item) = page(body, cancel.clone(), item).await?;
        match meta.next.filter(|next| !next.is_empty()) {
            Some(token) => next = Some(token),
            None => return Ok(meta.resource_version),
        }
    }
}

async fn ask(client: &Client, kind: &Kind, from: From, next: Option<&str>) -> Result<Body, Failure> {
    let mut params = ListParams { field_selector: kind.fields.map(Into::into), ..ListParams::default() };
    match (next, from) {
        (Some(token), _) => params = params.limit(PAGE).continue_token(token),
        // The cache knows no pages.
        (None, From::Cache) => params = params.at("0").matching(VersionMatch::NotOlderThan),
        (None, From::Store) => params = params.limit(PAGE),
    }
    let request = kind.request();
    let request = if kind.metadata_only { request.list_metadata(&params) } else { request.list(&params) };
    send(client, request.map_err(|e| Failure::Other(e.to_string()))?).await
}

/// Sends a request; the body of an answer that grants it.
pub(super) async fn send(client: &Client, request: http::Request<Vec<u8>>) -> Result<Body, Failure> {
    let answer = tokio::time::timeout(SILENCE, client.send(request.map(Body::from)));
    let (parts, body) = answer.await.map_err(|_| Failure::silent(SILENCE))??.into_parts();
    if parts.status.is_success() {
        return Ok(body);
    }
    let failure = tokio::time::timeout(SILENCE, Failure::of_response(parts, body));
    Err(failure.await.unwrap_or_else(|_| Failure::silent(SILENCE)))
}

/// Parses a page as it comes. The parser blocks, so it has a thread of its own.
async fn page<F>(body: Body, cancel: CancellationToken, mut item: F) -> Result<(Meta, F), Failure>
where
    F: FnMut(Value) -> bool + Send + 'static,
{
    let chunks = stream::unfold(body.into_data_stream(), async |mut body| {
        let chunk = match tokio::time::timeout(SILENCE, body.next()).await {
            Ok(chunk) => chunk?.map_err(std::io::Error::other),
            Err(_) => Err(std::io::Error::other(Failure::silent(SILENCE))),
        };
        Some((chunk, body))
    });
    // The agent doesn't wait for a slow server when it stops.
    let ended = Box::pin(async move {
        tokio::select! { () = cancel.cancelled() => {}, () = tokio::time::sleep(LONGEST) => {} }
    });
    let chunks = chunks.take_until(ended);
    let reader = SyncIoBridge::new(StreamReader::new(Box::pin(chunks)));
    let parsing = tokio::task::spawn_blocking(move || {
        let meta = parse(BufReader::with_capacity(64 << 10, reader), &mut item);
        meta.map(|meta| (meta, item))
    });
    match parsing.await {
        Ok(parsed) => parsed.map_err(|e| Failure::Other(format!("the list broke off: {e}"))),
        Err(_) => Err(Failure::Stopped),
    }
}

fn parse(reader: impl Read, item: &mut dyn FnMut(Value) -> bool) -> serde_json::Result<Meta> {
    let mut parser = serde_json::Deserializer::from_reader(reader);
    let meta = List(item).deserialize(&mut parser)?;
    parser.end()?;
    Ok(meta)
}

struct List<'a>(&'a mut dyn FnMut(Value) -> bool);
struct Items<'a>(&'a mut dyn FnMut(Value) -> bool);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Meta;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Meta, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Meta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Meta, A::Error> {
        let mut meta = Meta::default();
        while let Some(key) = map.next_key::<String>()? {
            match &*key {
                "metadata" => meta = map.next_value()?,
                "items" => map.next_value_seed(Items(&mut *self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(meta)
    }
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("items")
    }

    /// An empty list may say `null`.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element()? {
            if !(self.0)(value) {
                return Err(serde::de::Error::custom("nobody listens any more"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (serde_json::Result<Meta>, Vec<Value>) {
        let mut items = Vec::new();
        let meta = parse(text.as_bytes(), &mut |item| {
            items.push(item);
            true
        });
        (meta, items)
    }

    #[test]
    fn a_page_gives_its_items_and_where_it_goes_on() {
        let text = r#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"abc","remainingItemCount":3},"items":[{"a":1},{"b":2}]}"#;
        let (meta, items) = parsed(text);
        assert_eq!(meta.unwrap(), Meta { resource_version: "7".into(), next: Some("abc".into()) });
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn null_is_no_items_and_text_that_ends_early_is_an_error() {
        assert_eq!(parsed(r#"{"metadata":{},"items":null}"#).0.unwrap(), Meta::default());
        let (meta, items) = parsed(r#"{"items":[{"a":1},{"b""#);
        assert!(meta.is_err());
        assert_eq!(items.len(), 1, "what came whole counts");
        assert!(parsed("[]").0.is_err());
        assert!(parsed("").0.is_err());
    }
}
