//! The paths at which the server has a kind.

use flow_objects::kinds::Kind;
use kube::core::Request;

/// Returns a builder of requests for all objects of a kind.
pub(super) fn request(kind: Kind) -> Request {
    Request::new(format!("{}/{}", discovery(kind), kind.row().plural))
}

/// Returns the path where the server lists the kinds of this group and version.
pub(super) fn discovery(kind: Kind) -> String {
    let root = if kind.row().group.is_empty() { "/api" } else { "/apis" };
    format!("{root}/{}", kind.api_version())
}

#[cfg(test)]
mod tests;
