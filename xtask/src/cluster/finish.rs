//! The end of a cluster's work: after a failure its logs are kept, and everything else is removed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::place::Place;
use super::stop;
use super::wait::Interrupt;
use crate::run::{report_error, report_step};

/// Stops a cluster, whatever happened to it, and returns the first error.
pub(super) fn finish(root: &Path, place: &Place, result: Result<()>, interrupt: &Interrupt) -> Result<()> {
    // What a signal ended has failed as well, in ways that tell nothing.
    let interrupted = interrupt.check();
    let kept = if result.is_err() && interrupted.is_ok() { keep_logs(root, place) } else { Ok(()) };
    report_step("stopping the cluster");
    let result = if result.is_err() { interrupted.and(result) } else { Ok(()) };
    first([result, kept, stop::down(place)])
}

/// Returns the first error; the others are only reported.
fn first(results: [Result<()>; 3]) -> Result<()> {
    let mut errors = results.into_iter().filter_map(Result::err);
    let first = errors.next();
    errors.for_each(|error| report_error(&format!("{error:#}")));
    first.map_or(Ok(()), Err)
}

/// Copies the logs of the nodes' services, in place of those of an earlier run.
fn keep_logs(root: &Path, place: &Place) -> Result<()> {
    let to = root.join("target/cluster-logs").join(place.name());
    if to.exists() {
        fs::remove_dir_all(&to)?;
    }
    copy_logs(place.dir(), &to)?;
    for node in stop::dirs(&place.data()) {
        copy_logs(&place.node_dir(&node), &to.join(&node))?;
    }
    report_step(&format!("the logs of the cluster's services are in {}", to.display()));
    Ok(())
}

fn copy_logs(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for log in logs(from) {
        fs::copy(&log, to.join(log.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

fn logs(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
}

#[cfg(test)]
mod tests;
