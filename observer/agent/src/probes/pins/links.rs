//! Pinned attachments. The kernel keeps such a program attached until its pin is removed.

use std::fs;
use std::path::PathBuf;

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::SchedClassifierLink;
use aya::programs::{SchedClassifier, TcAttachType};
use tracing::{debug, warn};

use super::Pins;
use super::bpffs::{entries, unless_gone};

impl Pins {
    /// Puts a program into the place of the one that an earlier agent left attached, in one step: each packet is seen by the
    /// one or the other. False if there is none to replace.
    pub(in crate::probes) fn take_over(&self, name: &str, program: &mut SchedClassifier) -> bool {
        let pinned = PinnedLink::from_pin(self.link(name)).map(FdLink::from);
        let Ok(link) = pinned.and_then(SchedClassifierLink::try_from) else { return false };
        let taken = program.attach_to_link(link).and_then(|id| program.take_link(id));
        if let Err(error) = &taken {
            // The interface is gone, and its number was given to another.
            debug!(%error, name, "an attachment that was left is of no use");
            self.unpin(name);
        }
        taken.is_ok()
    }

    /// Pins an attachment. False where that is not possible, and the program is not attached any more.
    pub(in crate::probes) fn keep(&self, name: &str, link: FdLink) -> bool {
        let pinned = link.pin(self.link(name));
        if let Err(error) = &pinned {
            warn!(%error, name, "an attachment can't be pinned: it ends with the agent");
        }
        pinned.is_ok()
    }

    /// Removes a pin, and so detaches the program.
    pub(in crate::probes) fn unpin(&self, name: &str) {
        if let Err(error) = unless_gone(fs::remove_file(self.link(name))) {
            warn!(%error, name, "a pinned attachment can't be removed; `flow-observer cleanup` does that");
        }
    }

    /// Removes the attachments to interfaces that are not followed any more.
    pub(in crate::probes) fn retain_interfaces(&self, is_followed: impl Fn(u32) -> bool) {
        for path in entries(&self.links) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let ifindex = name.split_once('-').and_then(|(ifindex, _)| ifindex.parse().ok());
            if ifindex.is_some_and(|ifindex| !is_followed(ifindex)) {
                self.unpin(&name);
            }
        }
    }

    fn link(&self, name: &str) -> PathBuf {
        self.links.join(name)
    }
}

/// Returns the name of an attachment to an interface.
pub(in crate::probes) fn name(ifindex: u32, direction: TcAttachType) -> String {
    let direction = if direction == TcAttachType::Ingress { "ingress" } else { "egress" };
    format!("{ifindex}-{direction}")
}
