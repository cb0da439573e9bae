//! Where the server has a kind.

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
mod tests {
    use super::*;

    #[test]
    fn the_core_group_has_a_root_of_its_own() {
        assert_eq!(discovery(Kind::Pod), "/api/v1");
        assert_eq!(discovery(Kind::ServiceL2Status), "/apis/metallb.io/v1beta1");
    }
}
