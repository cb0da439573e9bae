//! What the page shows: the agents, and how they are asked.

use std::sync::Arc;

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::client::error::ClientError;
use crate::client::fleet::{AgentArgs, Fleet};
use crate::client::target::Target;
use crate::commands::joined::{self, Asked};
use crate::http::Failure;

/// The agents that the page is about.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// One agent.
    One(Target),
    /// The agents of all nodes.
    All(Fleet),
}

/// What the handlers need.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) agents: Arc<AgentArgs>,
    pub(super) source: Source,
    /// Ends the streams.
    pub(super) cancel: CancellationToken,
}

impl Shown {
    /// Returns the options with which other commands ask the same agents.
    pub(super) fn options(&self) -> Vec<&str> {
        match &self.source {
            Source::All(_) => vec!["--all-nodes"],
            Source::One(target) => vec!["--url", target.url()],
        }
    }

    /// Asks the agents for a path, with the query of the page.
    pub(super) async fn ask<T>(&self, path: &str, query: Option<String>) -> Result<Asked<T>, Failure>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let path = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        // What is missing is in the answer.
        let mut notes = std::io::sink();
        let asked = match &self.source {
            Source::One(_) => joined::ask(&self.agents, &path, &mut notes).await,
            Source::All(fleet) => joined::ask_fleet(fleet, &path, &mut notes).await,
        };
        asked.map_err(|error| failure(&error))
    }
}

/// Turns an error of the commands into an answer: an agent's own refusal keeps its status, but not 401: the page has no
/// token to give, since this command sends its own.
pub(super) fn failure(error: &anyhow::Error) -> Failure {
    let status = match error.downcast_ref() {
        Some(ClientError::Refused { status: 400, .. }) => StatusCode::BAD_REQUEST,
        _ => StatusCode::BAD_GATEWAY,
    };
    Failure::new(status, format!("{error:#}"))
}
