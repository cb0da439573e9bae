//! Builds answers as the API has them.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::kinds::Kind;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(super) fn json(code: StatusCode, value: &Value) -> Response<Body> {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())).boxed_unsync());
    *answer.status_mut() = code;
    answer.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    answer
}

/// Returns a failure as a `Status`.
pub(super) fn failure(code: u16, reason: &str, message: &str) -> Response<Body> {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(code, &status(code.as_u16(), reason, message))
}

pub(super) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {},
        "status": "Failure", "message": message, "reason": reason, "code": code,
    })
}

/// Returns 410 for a forgotten version.
pub(super) fn expired(version: u64, known: u64) -> Value {
    status(410, "Expired", &format!("too old resource version: {version} ({known})"))
}

/// The form of the objects in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    /// Kind `PartialObjectMetadata`, of `meta.k8s.io/v1`.
    Metadata,
}

impl Form {
    /// Reads the form from an Accept header.
    pub(super) fn wanted(accept: &str) -> Self {
        let asks = accept.split(',').next().unwrap_or_default().contains("as=PartialObjectMetadata");
        if asks { Self::Metadata } else { Self::Whole }
    }

    pub(super) fn of(self, object: &Value) -> Value {
        match self {
            Self::Whole => object.clone(),
            Self::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
            }),
        }
    }

    pub(super) fn list(self, kind: &Kind, metadata: &Value, items: &[Value]) -> Value {
        let (list, api_version) = match self {
            Self::Whole => (format!("{}List", kind.kind), kind.api_version()),
            Self::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
        };
        let items: Vec<Value> = items.iter().map(|item| self.item(item)).collect();
        json!({"kind": list, "apiVersion": api_version, "metadata": metadata, "items": items})
    }

    /// Removes the kind from an object, as in lists of one kind.
    fn item(self, object: &Value) -> Value {
        let mut item = self.of(object);
        if let (Self::Whole, Some(fields)) = (self, item.as_object_mut()) {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        item
    }
}
