//! Files from which manifests are made: kustomizations and charts. Alone they say nothing certain: a base has no namespace yet,
//! a patch is no object, and a template is no YAML.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::problem::{Extent, Problem};
use crate::{document, read};

/// Files by what is to be done with them.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// These are manifests.
    pub(super) plain: Vec<(PathBuf, u64)>,
    /// The files of kustomizations to which no other one refers.
    pub(super) kustomizations: Vec<PathBuf>,
    /// The `Chart.yaml` of each chart that isn't part of another one.
    pub(super) charts: Vec<PathBuf>,
}

/// Sorts files. What a kustomization refers to, and what belongs to a chart, are no manifests.
pub(super) fn sort(files: Vec<(PathBuf, u64)>) -> Sorted {
    let charts: Vec<_> =
        files.iter().filter(|(file, _)| is_chart(file)).map(|(file, _)| file.clone()).collect();
    let in_chart = |file: &Path| charts.iter().any(|chart| belongs(file, directory(chart)));
    let roots: Vec<_> = charts.iter().filter(|chart| !in_subchart(chart, &charts)).cloned().collect();
    let (chart_files, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(file, _)| in_chart(file));
    drop(chart_files);
    let (kustomizations, plain): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(file, _)| read::is_kustomization(file));
    let used = used(&kustomizations);
    let is_used = |path: &Path| canonical(path).is_some_and(|path| used.contains(&path));
    Sorted {
        plain: plain.into_iter().filter(|(file, _)| !is_used(file)).collect(),
        kustomizations: kustomizations
            .into_iter()
            .map(|(file, _)| file)
            .filter(|file| !is_used(directory(file)))
            .collect(),
        charts: roots,
    }
}

/// Returns the directory of a file.
pub(super) fn directory(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A kustomization that could not be rendered.
pub(super) fn kustomization(file: &Path, why: &str) -> Problem {
    let directory = directory(file).display();
    let message = format!(
        "a kustomization that isn't rendered, because {why}; pipe `kubectl kustomize {directory}` into --manifests -"
    );
    Problem::of_file(file, Extent::Unjudged(arcstr::literal!("kustomization")), message)
}

/// Names a kustomization that was rendered, because what is found in it has other lines than its files.
pub(super) fn rendered(file: &Path) -> Problem {
    let directory = directory(file).display();
    let message = format!("rendered; what is found is in the output of `kubectl kustomize {directory}`");
    Problem::of_file(file, Extent::Files, message)
}

/// A chart, which needs values to become manifests.
pub(super) fn chart(file: &Path) -> Problem {
    let directory = directory(file).display();
    let message = format!("a chart that isn't rendered; pipe `helm template {directory}` into --manifests -");
    Problem::of_file(file, Extent::Unjudged(arcstr::literal!("chart")), message)
}

fn is_chart(file: &Path) -> bool {
    file.file_name() == Some(OsStr::new("Chart.yaml"))
}

/// Is true for the files of a chart, which may be in the directory of other manifests.
fn belongs(file: &Path, chart: &Path) -> bool {
    let Ok(within) = file.strip_prefix(chart) else { return false };
    let mut parts = within.iter().filter_map(OsStr::to_str);
    match (parts.next(), parts.next()) {
        (Some("templates" | "charts" | "ci"), Some(_)) => true,
        (Some(file), None) => file.starts_with("Chart.") || file.starts_with("values"),
        _ => false,
    }
}

fn in_subchart(chart: &Path, charts: &[PathBuf]) -> bool {
    charts.iter().any(|outer| outer != chart && belongs(chart, directory(outer)))
}

/// Returns all files and directories to which kustomizations refer.
fn used(kustomizations: &[(PathBuf, u64)]) -> HashSet<PathBuf> {
    let mut used = HashSet::new();
    let mut known: HashMap<PathBuf, bool> = HashMap::new();
    let mut waiting: Vec<PathBuf> = kustomizations.iter().map(|(file, _)| file.clone()).collect();
    while let Some(file) = waiting.pop() {
        if known.insert(file.clone(), true).is_some() {
            continue;
        }
        for path in references(&file) {
            // What a base outside of the given directory uses may be inside.
            waiting.extend(kustomization_in(&path));
            used.insert(path);
        }
    }
    used
}

fn kustomization_in(directory: &Path) -> Option<PathBuf> {
    read::KUSTOMIZATIONS.iter().map(|name| directory.join(name)).find(|file| file.is_file())
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
        Value::Object(map) => map.values().for_each(|value| strings(value, out)),
        _ => {}
    }
}

fn canonical(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}
