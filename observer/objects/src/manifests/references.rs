//! The files and directories to which kustomizations refer.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::manifests::unrendered::directory;
use crate::{document, read};

/// The fields of a kustomization, or of a part of it, that hold no paths. Their text may be the name of a file by chance.
const NO_PATHS: [&str; 25] = [
    "apiVersion",
    "buildMetadata",
    "commonAnnotations",
    "commonLabels",
    "fieldSpecs",
    "generatorOptions",
    "images",
    "kind",
    "labels",
    "literals",
    "metadata",
    "name",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "options",
    "patch",
    "releaseName",
    "replicas",
    "source",
    "target",
    "targets",
    "type",
    "vars",
    "version",
];

/// The things that kustomizations come to.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// The files and directories that they name.
    pub(super) paths: HashSet<PathBuf>,
    /// Their own files, and those of the kustomizations that they use.
    pub(super) kustomizations: HashSet<PathBuf>,
}

/// Follows kustomizations to everything that they use.
pub(super) fn walk(from: &[PathBuf]) -> Reached {
    let mut reached = Reached::default();
    let mut waiting: Vec<PathBuf> = from.iter().filter_map(|file| canonical(file)).collect();
    while let Some(file) = waiting.pop() {
        if !reached.kustomizations.insert(file.clone()) {
            continue;
        }
        for path in references(&file) {
            // What a base outside of the given directory uses may be inside.
            waiting.extend(kustomization_in(&path));
            reached.paths.insert(path);
        }
    }
    reached
}

/// Returns the path without symlinks; `None` where nothing is.
pub(super) fn canonical(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

fn kustomization_in(directory: &Path) -> Option<PathBuf> {
    let file = read::KUSTOMIZATIONS.iter().map(|name| directory.join(name)).find(|file| file.is_file())?;
    canonical(&file)
}

/// Returns the paths that a kustomization names. They are in many fields, so each text that is a path counts.
fn references(file: &Path) -> Vec<PathBuf> {
    let Ok(bytes) = fs::read(file) else { return Vec::new() };
    let mut texts = Vec::new();
    let documents = document::parse(&bytes);
    documents.iter().flatten().for_each(|document| strings(&document.value, &mut texts));
    let directory = directory(file);
    let path = |text: &&str| {
        let text = text.split_once('=').map_or(*text, |(_, path)| path);
        canonical(&directory.join(text)).filter(|path| Some(path) != canonical(directory).as_ref())
    };
    texts.iter().filter(|text| !text.is_empty() && !text.contains('\n')).filter_map(path).collect()
}

fn strings<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(map) => {
            let may_hold = map.iter().filter(|(key, _)| !NO_PATHS.contains(&key.as_str()));
            may_hold.for_each(|(_, value)| strings(value, out));
        }
        _ => {}
    }
}
