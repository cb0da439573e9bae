//! Helm, with which users install the chart in `deploy/helm/`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{install, key};
use crate::cache::Cache;
use crate::progress::Progress;

const VERSION: &str = "v3.22.0";
/// What Helm's own makefile sets. Without it, Helm takes a cluster that it can't ask for Kubernetes 1.20, for which the chart
/// is not.
const FLAGS: &str = "-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0 \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37 \
    -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=37";

pub(super) fn place(cache: &Cache) -> PathBuf {
    cache.path(&key("helm", VERSION, &[FLAGS]))
}

pub(super) fn build(progress: &Progress, dir: &Path) -> Result<()> {
    install(progress, "Helm", FLAGS, &[format!("helm.sh/helm/v3/cmd/helm@{VERSION}")], dir)
}
