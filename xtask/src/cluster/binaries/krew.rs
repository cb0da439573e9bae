//! krew, with which users install the plugin of kubectl.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{SMALL, install, key};
use crate::cache::Cache;
use crate::progress::Progress;

const VERSION: &str = "v0.4.3";

pub(super) fn place(cache: &Cache) -> PathBuf {
    cache.path(&key("krew", VERSION, &[SMALL]))
}

pub(super) fn build(progress: &Progress, dir: &Path) -> Result<()> {
    install(progress, "krew", SMALL, &[format!("sigs.k8s.io/krew/cmd/krew@{VERSION}")], dir)
}
