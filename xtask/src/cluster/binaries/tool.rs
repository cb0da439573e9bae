//! Programs that tests run on this machine, without a cluster.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{CACHE, Cache, Progress, during, fill, go, helm, krew, victoria_logs};

/// A program that the lab's tests run. Each is built in a directory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Helm,
    Krew,
    VictoriaLogs,
}

impl Tool {
    pub(crate) const ALL: [Self; 3] = [Self::Helm, Self::Krew, Self::VictoriaLogs];

    /// Returns the variable that names the directory to the lab.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Helm => "FLOW_OBSERVER_HELM",
            Self::Krew => "FLOW_OBSERVER_KREW",
            Self::VictoriaLogs => "FLOW_OBSERVER_VICTORIA_LOGS",
        }
    }

    /// Fails with the remedy when [`Self::ensure`] would have to build and can't.
    pub(crate) fn can_be_had(self) -> Result<()> {
        let chosen = std::env::var_os(self.variable()).is_some();
        if chosen || self.place(&Cache::open(CACHE)?).is_dir() { Ok(()) } else { go::need() }
    }

    /// Returns the directory of the program, which is built unless the cache has it. The variable chooses another directory.
    pub(crate) fn ensure(self, root: &Path) -> Result<PathBuf> {
        if let Some(dir) = std::env::var_os(self.variable()) {
            return Ok(dir.into());
        }
        self.can_be_had()?;
        let cache = Cache::open(CACHE)?;
        let place = self.place(&cache);
        if !place.is_dir() {
            let _lock = cache.lock()?;
            during(root, |progress| fill(&place, |dir| self.build(progress, dir)))?;
        }
        Ok(place)
    }

    pub(super) fn place(self, cache: &Cache) -> PathBuf {
        match self {
            Self::Helm => helm::place(cache),
            Self::Krew => krew::place(cache),
            Self::VictoriaLogs => victoria_logs::place(cache),
        }
    }

    pub(super) fn build(self, progress: &Progress, dir: &Path) -> Result<()> {
        match self {
            Self::Helm => helm::build(progress, dir),
            Self::Krew => krew::build(progress, dir),
            Self::VictoriaLogs => victoria_logs::build(progress, dir),
        }
    }
}
