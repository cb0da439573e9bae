//! Asks the API server whose token it is, and what its owner may do: TokenReview and SubjectAccessReview.

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

use crate::causes::causes;
use crate::http::auth::{ReviewError, Reviewer, User};
use crate::kube::access::ApiAccess;

/// The group of all users, which is left out of questions about permissions. Every cluster lets this group get `/api/*` for
/// discovery (ClusterRole `system:discovery`), so that any token of any account could read flows.
const EVERYBODY: &str = "system:authenticated";

/// Most bytes of an answer. It repeats the question, so it may be as long as a token and the groups of its owner.
const LARGEST: usize = 1 << 20;

/// Asks the API server.
///
/// It doesn't use [`kube::Client::request`], which logs an answer that it can't read: a TokenReview repeats the token.
pub(super) struct KubeReviewer {
    api: ApiAccess,
}

impl KubeReviewer {
    /// Takes the access to the API server. Its account needs `create` on `tokenreviews` and `subjectaccessreviews`.
    #[must_use]
    pub(super) fn new(api: impl Into<ApiAccess>) -> Self {
        Self { api: api.into() }
    }

    async fn post<T: Serialize + DeserializeOwned>(&self, kind: Kind, review: &T) -> Result<T, ReviewError> {
        let body = serde_json::to_vec(review).map_err(|_| kind.fault("can't be written"))?;
        let request = Request::post(kind.path()).header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).map_err(|_| kind.fault("can't be sent"))?;
        let response = self.send(request).await.map_err(|error| kind.fault(&causes(&error)))?;
        if !response.status().is_success() {
            return Err(kind.refused(response.status()));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|_| kind.fault("the answer broke off, or has no end"))?.to_bytes();
        // The parser's error might quote the answer.
        serde_json::from_slice(&body).map_err(|_| kind.fault("the answer is not one"))
    }

    async fn send(&self, request: Request<Body>) -> kube::Result<Response<Body>> {
        let sent = self.api.client().send(request).await;
        // The next question may reach the server, or be accepted, with new settings.
        if sent.as_ref().map_or(true, |response| response.status() == StatusCode::UNAUTHORIZED) {
            self.api.renew().await;
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

/// Returns a user that has a name. One without would get the permissions of all users.
fn known(user: UserInfo) -> Option<User> {
    let name = user.username.filter(|name| !name.is_empty())?;
    let (groups, extra) = (user.groups.unwrap_or_default(), user.extra.unwrap_or_default());
    Some(User { name, uid: user.uid, groups, extra })
}

/// The two questions.
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
