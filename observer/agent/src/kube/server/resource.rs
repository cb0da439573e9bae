//! The paths at which the server has a resource.

use arcstr::ArcStr;
use flow_objects::kinds::Kind;
use flow_objects::resource::Resource;
use kube::core::Request;

/// A resource in one version.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) resource: Resource,
    api_version: ArcStr,
}

impl Endpoint {
    /// A kind of the table, in the version that is understood.
    pub(super) fn known(kind: Kind) -> Self {
        Self { resource: kind.into(), api_version: kind.api_version().into() }
    }

    /// A resource in a version of its group, as the server names it.
    pub(super) fn in_version(resource: Resource, version: &str) -> Self {
        Self { resource, api_version: arcstr::format!("{}/{version}", resource.group()) }
    }

    /// Returns a builder of requests for all objects.
    pub(super) fn request(&self) -> Request {
        Request::new(format!("{}/{}", self.discovery(), self.resource.plural()))
    }

    /// Returns the path where the server lists the kinds of this group and version.
    pub(super) fn discovery(&self) -> String {
        let root = if self.resource.group().is_empty() { "/api" } else { "/apis" };
        format!("{root}/{}", self.api_version)
    }

    /// Returns `apiVersion` of its objects.
    pub(super) fn api_version(&self) -> &str {
        &self.api_version
    }
}

#[cfg(test)]
mod tests;
