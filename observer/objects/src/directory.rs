//! A reading of `--cluster dir:PATH`.

use std::path::Path;
use std::sync::Arc;

use flow_model::inventory::Inventory;

use crate::error::ClusterError;
use crate::index::Index;
use crate::problem::Problem;
use crate::read::Files;

/// The result of one reading.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Everything that could be read.
    pub inventory: Arc<Inventory>,
    /// The problems, which name what could not be read.
    pub problems: Vec<Problem>,
}

/// Reads a directory (recursively) or a single file once.
///
/// # Errors
/// Fails when the path is missing or may not be read. A bad document is a [`Problem`], not an error.
pub fn load(path: &Path) -> Result<Loaded, ClusterError> {
    let mut index = Index::default();
    let files = Files::open(path)?;
    Ok(take(&files, &mut index))
}

/// Puts the files' objects into the index in place of all others, and publishes.
pub fn take(files: &Files, index: &mut Index) -> Loaded {
    index.replace(files.objects().cloned());
    let problems: Vec<_> = files.problems().cloned().collect();
    index.set_unreadable(problems.iter().filter(|problem| !problem.is_unjudged()).count() as u64);
    index.set_unread(problems.iter().filter_map(Problem::hidden_policy).collect());
    let inventory = index.publish().unwrap_or_else(|| index.published());
    Loaded { inventory, problems }
}
