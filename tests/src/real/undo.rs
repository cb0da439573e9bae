//! Changes of the cluster that must be taken back, also when a scenario fails.

use anyhow::Result;

use super::Cluster;

/// A change that is taken back by [`Self::finish`], or at the latest when this is dropped.
pub struct Undo<'a>(Option<Box<dyn FnOnce() -> Result<()> + 'a>>);

impl<'a> Undo<'a> {
    /// Returns a change that `step` takes back.
    #[must_use = "the change is taken back at once otherwise"]
    pub fn new(step: impl FnOnce() -> Result<()> + 'a) -> Self {
        Self(Some(Box::new(step)))
    }

    /// Takes the change back.
    ///
    /// # Errors
    /// Fails as the step does.
    pub fn finish(mut self) -> Result<()> {
        self.0.take().map_or(Ok(()), |step| step())
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|step| step()) {
            report(&error);
        }
    }
}

#[expect(clippy::print_stderr, reason = "the scenario has failed already, and its own error is returned")]
fn report(error: &anyhow::Error) {
    eprintln!("a change of the cluster could not be taken back: {error:#}");
}

impl Cluster {
    /// Returns namespaces of a scenario, which are deleted afterwards with everything in them.
    #[must_use = "they are deleted at once otherwise"]
    pub fn temporary<'a>(&'a self, namespaces: &'a [&str]) -> Undo<'a> {
        Undo::new(|| self.delete_namespaces(namespaces))
    }
}

#[cfg(test)]
mod tests;
