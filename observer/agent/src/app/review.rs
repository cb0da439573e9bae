//! Whose token it is, and what its owner may do: TokenReview and SubjectAccessReview.

#[cfg(test)]
mod tests;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response, StatusCode};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::client::Body;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::auth::{ReviewError, Reviewer, User};
use crate::kube::access::Way;

/// Not named when permissions are asked for: every cluster lets this group get `/api/*`, for discovery (ClusterRole
/// `system:discovery`), and so flows by any token of any account.
const EVERYBODY: &str = "system:authenticated";

/// Of an answer. It repeats the question, so it may be as long as a token and the groups of its owner.
const LARGEST: usize = 1 << 20;

/// Asks the API server.
///
/// It goes past [`kube::Client::request`], which logs an answer that it can't read: a TokenReview repeats the token.
pub(super) struct KubeReviewer {
    way: Way,
}

impl KubeReviewer {
    /// The account on the way needs `create` on `tokenreviews` and `subjectaccessreviews`.
    #[must_use]
    pub(super) fn new(way: impl Into<Way>) -> Self {
        Self { way: way.into() }
    }

    async fn post<T: Serialize + DeserializeOwned>(&self, kind: Kind, review: &T) -> Result<T, ReviewError> {
        let body = serde_json::to_vec(review).map_err(|_| kind.fault("can't be written"))?;
        let request = Request::post(kind.path()).header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).map_err(|_| kind.fault("can't be asked for"))?;
        let response = self.send(request).await.map_err(|error| kind.fault(&causes(&error)))?;
        if !response.status().is_success() {
            return Err(kind.refused(response.status()));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|_| kind.fault("the answer broke off, or has no end"))?.to_bytes();
        // What the parser says might quote the answer.
        serde_json::from_slice(&body).map_err(|_| kind.fault("the answer is not one"))
    }

    async fn send(&self, request: Request<Body>) -> kube::Result<Response<Body>> {
        let sent = self.way.client().send(request).await;
        // The next question may find the server, or be believed, again.
        if sent.as_ref().map_or(true, |response| response.status() == StatusCode::UNAUTHORIZED) {
            self.way.renew().await;
        }
        sent
    }

    async fn user(&self, token: &str) -> Result<Option<User>, ReviewError> {
        let spec = TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() };
        let review = self.post(Kind::Token, &TokenReview { spec, ..TokenReview::default() }).await?;
        let status = review.status.unwrap_or_default();
        if status.authenticated != Some(true) {
            return Ok(None);
        }
        Ok(status.user.and_then(known))
    }

    async fn may(&self, user: &User, verb: &str, path: &str) -> Result<bool, ReviewError> {
        let attributes = NonResourceAttributes { path: Some(path.to_owned()), verb: Some(verb.to_owned()) };
        let spec = SubjectAccessReviewSpec {
            user: Some(user.name.clone()),
            uid: user.uid.clone(),
            groups: Some(user.groups.iter().filter(|group| *group != EVERYBODY).cloned().collect()),
            extra: Some(user.extra.clone()),
            non_resource_attributes: Some(attributes),
            resource_attributes: None,
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let status = self.post(Kind::Access, &review).await?.status.unwrap_or_default();
        Ok(status.allowed && status.denied != Some(true))
    }
}

impl Reviewer for KubeReviewer {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<User>, ReviewError>> {
        self.user(token).boxed()
    }

    fn authorize<'a>(
        &'a self,
        user: &'a User,
        verb: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<bool, ReviewError>> {
        self.may(user, verb, path).boxed()
    }
}

/// A user without a name would be given what everybody has.
fn known(user: UserInfo) -> Option<User> {
    let name = user.username.filter(|name| !name.is_empty())?;
    let (groups, extra) = (user.groups.unwrap_or_default(), user.extra.unwrap_or_default());
    Some(User { name, uid: user.uid, groups, extra })
}

#[derive(Clone, Copy)]
enum Kind {
    Token,
    Access,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Token => "/apis/authentication.k8s.io/v1/tokenreviews",
            Self::Access => "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Token => "TokenReview",
            Self::Access => "SubjectAccessReview",
        }
    }

    fn fault(self, what: &str) -> ReviewError {
        ReviewError(format!("{}: {what}", self.name()))
    }

    fn refused(self, status: StatusCode) -> ReviewError {
        let remedy = match (self, status) {
            (_, StatusCode::UNAUTHORIZED) => ": it does not know the agent's own credentials",
            (Self::Token, StatusCode::FORBIDDEN) => {
                ": the agent's account needs `create` on tokenreviews.authentication.k8s.io"
            }
            (Self::Access, StatusCode::FORBIDDEN) => {
                ": the agent's account needs `create` on subjectaccessreviews.authorization.k8s.io"
            }
            _ => "",
        };
        self.fault(&format!("the API server answers {status}{remedy}"))
    }
}

/// An error with what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
