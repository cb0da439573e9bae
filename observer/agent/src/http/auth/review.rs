//! What the guard wants to know of credentials, and of whom it asks it.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

/// Whose token it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// E.g. `system:serviceaccount:monitoring:prometheus`.
    pub name: String,
    /// Tells users of one name apart.
    pub uid: Option<String>,
    /// What permissions may hang on, too.
    pub groups: Vec<String>,
    /// The authenticator's own fields.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Nobody could tell. The text is for the agent's log, and never holds a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReviewError(pub String);

/// Knows users and their permissions: the API server.
pub trait Reviewer: Send + Sync {
    /// Whose token it is; `None` when it is nobody's.
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, ReviewError>>;

    /// Whether the user may do this; `verb` is the method in lower case.
    fn authorize<'a>(
        &'a self,
        user: &'a User,
        verb: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<bool, ReviewError>>;
}
