//! Manifests for `audit`: policies with their places, and the workloads beside them.

mod bindings;
mod collect;
mod content;
mod makers;
mod placement;
mod references;
mod templates;
mod unrendered;

use std::path::Path;

use arcstr::ArcStr;
use serde_json::Value;

use crate::document::Document;
use crate::error::ClusterError;
use crate::problem::Problem;
use crate::{document, read};
use collect::Collector;
use unrendered::Sorted;

pub use content::{Manifests, Place, Template};

/// Renders a kustomization's directory to YAML, or returns why it can't.
pub type Render<'a> = &'a dyn Fn(&Path) -> Result<Vec<u8>, String>;

/// The way in which manifests are read.
#[derive(Clone)]
pub struct Reader<'a> {
    /// The namespace of objects that name none; `None` is `default`, and the objects are listed.
    pub namespace: Option<ArcStr>,
    pub render: Render<'a>,
}

impl Default for Reader<'_> {
    fn default() -> Self {
        Self { namespace: None, render: &|_| Err("nothing renders it".to_owned()) }
    }
}

impl Reader<'_> {
    /// Reads a directory (recursively) or a single file. Kustomizations are rendered, and what they refer to isn't read by
    /// itself.
    ///
    /// # Errors
    /// Fails when the path is missing or may not be read. A bad document is a [`Problem`], not an error.
    pub fn load(&self, path: &Path) -> Result<Manifests, ClusterError> {
        let (files, listing) = read::manifest_files(path)?;
        let Sorted { plain, kustomizations, charts } = unrendered::sort(files);
        let mut collector = Collector::new(self.namespace.clone());
        collector.problems(listing);
        for (file, size) in plain {
            match read::bytes(&file, size) {
                Ok(bytes) => add_bytes(&mut collector, &file, &bytes),
                Err(problem) => collector.problems([problem]),
            }
        }
        for file in kustomizations {
            match (self.render)(unrendered::directory(&file)) {
                Ok(bytes) => {
                    collector.problems([unrendered::rendered(&file)]);
                    add_rendered(&mut collector, &file, &bytes);
                }
                Err(why) => collector.problems([unrendered::kustomization(&file, &why)]),
            }
        }
        collector.problems(charts.iter().map(|file| unrendered::chart(file)));
        Ok(collector.finish())
    }

    /// Reads one text of YAML documents, JSON, or both. `name` stands for the file in places and problems.
    #[must_use]
    pub fn parse(&self, name: &str, bytes: &[u8]) -> Manifests {
        let mut collector = Collector::new(self.namespace.clone());
        add_bytes(&mut collector, Path::new(name), bytes);
        collector.finish()
    }
}

/// Reads a directory or a file without rendering anything: see [`Reader::load`].
///
/// # Errors
/// Fails when the path is missing or may not be read.
pub fn load(path: &Path) -> Result<Manifests, ClusterError> {
    Reader::default().load(path)
}

/// Reads one text of YAML documents, JSON, or both: see [`Reader::parse`].
#[must_use]
pub fn parse(name: &str, bytes: &[u8]) -> Manifests {
    Reader::default().parse(name, bytes)
}

/// Reads objects that are parsed already, e.g. from a Terraform plan. Lists are unpacked.
#[must_use]
pub fn collect(values: impl IntoIterator<Item = (Place, Value)>) -> Manifests {
    let mut collector = Collector::new(None);
    for (Place { file, line }, value) in values {
        collector.document(&file, Document { line, value, ..Document::default() });
    }
    collector.finish()
}

fn add_bytes(collector: &mut Collector, file: &Path, bytes: &[u8]) {
    for document in document::parse(bytes) {
        match document {
            Ok(document) => collector.document(file, document),
            Err(broken) => collector.problems([Problem::of_document(file, broken)]),
        }
    }
}

/// Adds what a kustomization gives. Its lines are nobody's.
fn add_rendered(collector: &mut Collector, file: &Path, bytes: &[u8]) {
    for document in document::parse(bytes) {
        match document {
            Ok(document) => collector.document(file, Document { line: 0, lines: Vec::new(), ..document }),
            Err(broken) => collector.problems([Problem { line: 0, ..Problem::of_document(file, broken) }]),
        }
    }
}
