//! Files from which manifests are made: kustomizations and charts. Alone they say nothing certain: a base has no namespace yet,
//! a patch is no object, and a template is no YAML.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::manifests::references::{self, canonical};
use crate::problem::{Extent, Problem};
use crate::read;

/// Files by what is to be done with them.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// These are manifests.
    pub(super) plain: Vec<(PathBuf, u64)>,
    /// The files of kustomizations that are rendered by themselves.
    pub(super) kustomizations: Vec<PathBuf>,
    /// The `Chart.yaml` of each chart that isn't part of another one.
    pub(super) charts: Vec<PathBuf>,
}

/// Sorts files. What a kustomization refers to, and what belongs to a chart, are no manifests.
pub(super) fn sort(files: Vec<(PathBuf, u64)>) -> Sorted {
    let charts: Vec<_> =
        files.iter().filter(|(file, _)| read::is_chart(file)).map(|(file, _)| file.clone()).collect();
    let in_chart = |file: &Path| charts.iter().any(|chart| belongs(file, directory(chart)));
    let roots: Vec<_> = charts.iter().filter(|chart| !in_subchart(chart, &charts)).cloned().collect();
    let (chart_files, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(file, _)| in_chart(file));
    drop(chart_files);
    let (kustomizations, plain): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(file, _)| read::is_kustomization(file));
    let kustomizations: Vec<_> = kustomizations.into_iter().map(|(file, _)| file).collect();
    let used = references::walk(&kustomizations).paths;
    let is_used = |path: &Path| canonical(path).is_some_and(|path| used.contains(&path));
    Sorted {
        plain: plain.into_iter().filter(|(file, _)| !is_used(file)).collect(),
        kustomizations: to_render(kustomizations, is_used),
        charts: roots,
    }
}

/// Returns the kustomizations to which no other one refers, and those that none of these comes to, because they refer to
/// each other.
fn to_render(kustomizations: Vec<PathBuf>, is_used: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let (others, mut roots): (Vec<_>, Vec<_>) =
        kustomizations.into_iter().partition(|file| is_used(directory(file)));
    let reached = references::walk(&roots).kustomizations;
    let is_reached = |file: &Path| canonical(file).is_some_and(|file| reached.contains(&file));
    roots.extend(others.into_iter().filter(|file| !is_reached(file)));
    roots
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
