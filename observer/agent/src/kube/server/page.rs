//! A page of a list, parsed as it arrives.

use std::fmt;
use std::io::{BufReader, Read};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tokio_util::sync::CancellationToken;

use crate::kube::server::failure::Failure;
use crate::tasks::blocking;

/// After this silence, in the middle of a page or before it, the server is given up.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// The longest time for one page.
const LONGEST: Duration = Duration::from_mins(5);

/// The metadata of a page.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) resource_version: String,
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

/// Parses a page as it arrives, and gives each object to `item`. The parser blocks, so it has a thread of its own.
pub(super) async fn read<F>(body: Body, cancel: CancellationToken, mut item: F) -> Result<(Meta, F), Failure>
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
    // The agent must not wait for a slow server when it stops.
    let ended = Box::pin(async move {
        tokio::select! { () = cancel.cancelled() => {}, () = tokio::time::sleep(LONGEST) => {} }
    });
    let chunks = chunks.take_until(ended);
    let reader = SyncIoBridge::new(StreamReader::new(Box::pin(chunks)));
    let parsing = blocking(move || {
        let meta = parse(BufReader::with_capacity(64 << 10, reader), &mut item);
        meta.map(|meta| (meta, item))
    });
    parsing.await.map_err(|e| Failure::Other(format!("the list broke off: {e}")))
}

fn parse(reader: impl Read, item: &mut dyn FnMut(Value) -> bool) -> serde_json::Result<Meta> {
    let mut parser = serde_json::Deserializer::from_reader(reader);
    let meta = List(item).deserialize(&mut parser)?;
    parser.end()?;
    Ok(meta)
}

/// A list, whose items go to a function that returns false to stop.
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

    /// An empty list may be `null`.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element()? {
            if !(self.0)(value) {
                return Err(serde::de::Error::custom("the agent stops"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
