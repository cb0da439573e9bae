//! The questions of the guard about credentials, and who answers them.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

/// The user of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name, e.g. `system:serviceaccount:monitoring:prometheus`.
    pub name: String,
    /// Distinguishes users of one name.
    pub uid: Option<String>,
    /// Groups, which may have permissions, too.
    pub groups: Vec<String>,
    /// The authenticator's own fields.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The error when nobody could answer. The text is for the agent's log and never holds a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReviewError(pub String);

/// Knows users and their permissions. In a cluster it is the API server.
pub trait Reviewer: Send + Sync {
    /// Returns the token's user; `None` for an unknown token.
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, ReviewError>>;

    /// Is true when the user may do this; `verb` is the method in lower case.
    fn authorize<'a>(
        &'a self,
        user: &'a User,
        verb: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<bool, ReviewError>>;
}
