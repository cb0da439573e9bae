//! Turns Kubernetes objects and files into immutable snapshots of the cluster.
//!
//! A source (a directory, or the API server) makes [`Object`]s and gives them to an [`Index`] by `apply`, `delete` and
//! `retain`. The index publishes a new inventory when something changed. `k8s_openapi` types stay inside this crate.
//!
//! Modules use only those of the rows below theirs:
//!
//! | | |
//! |---|---|
//! | `plan` | a Terraform plan as a proposed change |
//! | `proposal` | manifests as a proposed change |
//! | `directory`, `manifests` | one source as a whole |
//! | `read`, `index` | files, and the objects that exist now |
//! | `item` | one item of a document to an object |
//! | `object`, `problem` | one object of any kind, and what could not be read; each names the other |
//! | `resource` | what an API server is asked for |
//! | `convert`, `policy`, `announcers` | readers of single kinds |
//! | `kinds`, `values` | the table of kinds, and readers of fields |
//! | `list` | the objects of a document |
//! | `document` | a file's bytes to documents |
//! | `names`, `text`, `error` | small helpers that use no other module |

mod announcers;
mod convert;
pub mod directory;
mod document;
mod error;
mod index;
mod item;
pub mod kinds;
mod list;
pub mod manifests;
mod names;
pub mod object;
pub mod plan;
mod policy;
pub mod problem;
pub mod proposal;
pub mod read;
pub mod resource;
mod text;
mod values;

#[cfg(test)]
mod tests;

pub use directory::Loaded;
pub use document::encoding;
pub use error::ClusterError;
pub use index::Index;
pub use object::Object;
pub use problem::Problem;
