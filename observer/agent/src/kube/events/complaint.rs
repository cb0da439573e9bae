//! Logs that Events can't be written: once, not at each try.

use tracing::{info, warn};

/// Remembers what went wrong last.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    standing: Option<Trouble>,
    invalid: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Forbidden,
    Unreachable,
}

impl Complaint {
    pub(super) fn works(&mut self) {
        if self.standing.take().is_some() {
            info!("findings are reported as Kubernetes Events again");
        }
    }

    pub(super) fn forbidden(&mut self, error: &dyn std::fmt::Display) {
        if self.begins(Trouble::Forbidden) {
            warn!(
                %error,
                "findings are not reported as Kubernetes Events; the agent's ClusterRole must allow get, create and patch on \
                 events (the install manifests do), or give --no-kube-events"
            );
        }
    }

    pub(super) fn unreachable(&mut self, error: &dyn std::fmt::Display) {
        if self.begins(Trouble::Unreachable) {
            warn!(%error, "findings are not reported as Kubernetes Events until the API server takes them");
        }
    }

    pub(super) fn invalid(&mut self, error: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.invalid, true) {
            warn!(%error, "the API server rejects an Event of ours as invalid; such Events are skipped");
        }
    }

    fn begins(&mut self, trouble: Trouble) -> bool {
        self.standing.replace(trouble) != Some(trouble)
    }
}
