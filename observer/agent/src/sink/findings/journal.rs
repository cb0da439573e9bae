//! Findings in the log.

use flow_model::finding::{Finding, FindingChange, Severity};
use jiff::{SignedDuration, Timestamp};
use tracing::{info, warn};

/// The number of lines that may come at once, and the time after which another may follow: a scan of ten thousand ports
/// must not fill a disk.
const BURST: u32 = 50;
const REFILL: SignedDuration = SignedDuration::from_secs(2);

/// Writes a line when a finding appears or ends.
#[derive(Debug)]
pub(in crate::sink) struct Journal {
    budget: Budget,
}

impl Journal {
    pub(in crate::sink) fn new() -> Self {
        Self { budget: Budget { left: BURST, refilled: Timestamp::MIN, withheld: 0 } }
    }

    pub(in crate::sink) fn log(&mut self, change: FindingChange, finding: &Finding, now: Timestamp) {
        if !change.changes_state() {
            return;
        }
        let Some(withheld) = self.budget.take(now) else { return };
        if withheld > 0 {
            warn!(withheld, "findings came or went too fast to log; /api/v1/findings has them");
        }
        let (kind, id, summary) = (finding.kind.as_str(), finding.id.as_str(), finding.summary.as_str());
        match (change, finding.severity) {
            (FindingChange::Resolved, _) => {
                let because = finding.ended_because.as_deref();
                info!(kind, id, count = finding.count, because, "resolved: {summary}");
            }
            (_, Severity::Info) => info!(kind, id, "{summary}"),
            (_, Severity::Warning | Severity::Critical) => warn!(kind, id, "{summary}"),
        }
    }
}

#[derive(Debug)]
struct Budget {
    left: u32,
    refilled: Timestamp,
    withheld: u64,
}

impl Budget {
    /// Returns how many lines were withheld before this one, if it may be written.
    fn take(&mut self, now: Timestamp) -> Option<u64> {
        let since = now.duration_since(self.refilled);
        let more = since.as_millis() / REFILL.as_millis();
        if more != 0 {
            // A clock that was set back refills, too, rather than never again.
            self.left =
                u32::try_from(more.unsigned_abs()).map_or(BURST, |n| (self.left + n.min(BURST)).min(BURST));
            self.refilled = now;
        }
        if self.left == 0 {
            self.withheld += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.withheld))
    }
}

#[cfg(test)]
mod tests;
