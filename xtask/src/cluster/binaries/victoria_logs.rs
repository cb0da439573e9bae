//! VictoriaLogs, a log engine to which tests send the history.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{SMALL, install, key};
use crate::cache::Cache;
use crate::progress::Progress;

const VERSION: &str = "v1.52.1";

pub(super) fn place(cache: &Cache) -> PathBuf {
    cache.path(&key("victoria-logs", VERSION, &[SMALL]))
}

pub(super) fn build(progress: &Progress, dir: &Path) -> Result<()> {
    let package = format!("github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@{VERSION}");
    install(progress, "VictoriaLogs", SMALL, &[package], dir)
}
