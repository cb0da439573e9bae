//! Asking an agent.

use anyhow::{Context as _, anyhow};
use bytes::{Bytes, BytesMut};
use flow_policy::query::Reply;
use http_body_util::{BodyExt, Limited};
use hyper::Method;
use hyper::body::Incoming;

use crate::commands::tail::client::{Target, causes, query};

const PATH: &str = "/api/v1/explain";
/// Of one answer.
const MAX_ANSWER: usize = 16 << 20;

pub(super) struct Agent {
    target: Target,
}

/// Answers as they arrive.
pub(super) struct Given {
    body: Incoming,
    buffer: BytesMut,
    url: String,
}

impl Agent {
    pub(super) fn new(target: Target) -> Self {
        Self { target }
    }

    pub(super) fn url(&self) -> &str {
        self.target.url()
    }

    pub(super) async fn ask_one(&self, from: &str, to: &str) -> anyhow::Result<Reply> {
        let path = format!("{PATH}?{}", query(&[("src", from.to_owned()), ("dst", to.to_owned())]));
        let body = self.target.ask(Method::GET, &path, Bytes::new()).await?;
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| anyhow!("{} broke off: {error}", self.url()))?;
        serde_json::from_slice(&body.to_bytes())
            .with_context(|| format!("{} is not a Flow Observer agent, or of another version", self.url()))
    }

    pub(super) async fn ask_many(&self, questions: Bytes) -> anyhow::Result<Given> {
        let body = self.target.ask(Method::POST, PATH, questions).await?;
        Ok(Given { body, buffer: BytesMut::new(), url: self.url().to_owned() })
    }
}

impl Given {
    /// The next answer; `None` at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Ok(Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()));
            }
            anyhow::ensure!(self.buffer.len() <= MAX_ANSWER, "{} answers without end", self.url);
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| anyhow!("{} broke off: {}", self.url, causes(&error)))?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
