//! Manifests for `audit`: policies with their places, and the workloads beside them.

mod bindings;
mod collect;
mod content;
mod templates;

use std::path::Path;

use serde_json::Value;

use crate::error::ClusterError;
use crate::problem::Problem;
use crate::{document, list, read};
use collect::Collector;

pub use content::{Manifests, Place, Template};

/// Reads a directory (recursively) or a single file.
///
/// # Errors
/// Fails when the path is missing or may not be read. A bad document is a [`Problem`], not an error.
pub fn load(path: &Path) -> Result<Manifests, ClusterError> {
    let (files, listing) = read::manifest_files(path)?;
    let mut collector = Collector::default();
    collector.problems(listing);
    for (file, size) in files {
        match read::bytes(&file, size) {
            Ok(bytes) => add_bytes(&mut collector, &file, &bytes),
            Err(problem) => collector.problems([problem]),
        }
    }
    Ok(collector.finish())
}

/// Reads one text of YAML documents, JSON, or both. `name` stands for the file in places and problems.
#[must_use]
pub fn parse(name: &str, bytes: &[u8]) -> Manifests {
    let mut collector = Collector::default();
    add_bytes(&mut collector, Path::new(name), bytes);
    collector.finish()
}

/// Reads objects that are parsed already, e.g. from a Terraform plan. Lists are unpacked.
#[must_use]
pub fn collect(values: impl IntoIterator<Item = (Place, Value)>) -> Manifests {
    let mut collector = Collector::default();
    for (place, value) in values {
        add_value(&mut collector, &place, value);
    }
    collector.finish()
}

fn add_bytes(collector: &mut Collector, file: &Path, bytes: &[u8]) {
    for document in document::parse(bytes) {
        match document {
            Ok(document) => {
                let place = Place { file: file.to_owned(), line: document.line };
                add_value(collector, &place, document.value);
            }
            Err(broken) => collector.problems([Problem::of_document(file, broken)]),
        }
    }
}

fn add_value(collector: &mut Collector, place: &Place, value: Value) {
    for item in list::items(value) {
        collector.add(place, &item.place(), item.value);
    }
}
