//! Questions to an agent: may this reach that?

use anyhow::{Context as _, anyhow};
use bytes::{Bytes, BytesMut};
use flow_policy::query::Reply;
use http_body_util::{BodyExt, Limited};
use hyper::Method;
use hyper::body::Incoming;

use crate::causes::causes;
use crate::client::query::query;
use crate::client::target::Target;

const PATH: &str = "/api/v1/explain";
/// Largest answer to one question, in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// Asks one agent.
pub(crate) struct Agent {
    target: Target,
}

/// Yields answers as they arrive.
pub(crate) struct AnswerStream {
    body: Incoming,
    buffer: BytesMut,
    url: String,
}

impl Agent {
    /// Returns a client of this agent.
    pub(crate) fn new(target: Target) -> Self {
        Self { target }
    }

    /// Returns the name that messages use for the agent.
    pub(crate) fn url(&self) -> &str {
        self.target.url()
    }

    /// Asks one question.
    ///
    /// # Errors
    /// Fails when the agent can't be asked, or doesn't answer like an agent of this version.
    pub(crate) async fn ask_one(&self, from: &str, to: &str) -> anyhow::Result<Reply> {
        let path = format!("{PATH}?{}", query(&[("src", from.to_owned()), ("dst", to.to_owned())]));
        let body = self.target.ask(Method::GET, &path, Bytes::new()).await?;
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| anyhow!("{} broke off: {error}", self.url()))?;
        serde_json::from_slice(&body.to_bytes())
            .with_context(|| format!("{} is not a Flow Observer agent, or of another version", self.url()))
    }

    /// Asks several questions, one JSON object per line; the answers come in the same order.
    ///
    /// # Errors
    /// Fails when the agent can't be asked.
    pub(crate) async fn ask_many(&self, questions: Bytes) -> anyhow::Result<AnswerStream> {
        let body = self.target.ask(Method::POST, PATH, questions).await?;
        Ok(AnswerStream { body, buffer: BytesMut::new(), url: self.url().to_owned() })
    }
}

impl AnswerStream {
    /// Returns the next answer, or `None` at the end.
    ///
    /// # Errors
    /// Fails when the connection breaks or an answer doesn't end.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Ok(Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()));
            }
            anyhow::ensure!(self.buffer.len() <= MAX_ANSWER, "{} sends an answer without an end", self.url);
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| anyhow!("{} broke off: {}", self.url, causes(&error)))?;
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}
