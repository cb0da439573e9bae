//! Findings that other detectors make: they say when one begins, goes on and ends.

use arcstr::ArcStr;
use flow_model::finding::{Evidence, FindingKind, Severity};
use flow_model::object_ref::ObjectRef;
use flow_model::record::Endpoint;
use jiff::Timestamp;

use crate::findings::Findings;
use crate::findings::subject::Key;

/// What a detector says of one subject now; it replaces what it said before.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    pub kind: FindingKind,
    /// What it is about, e.g. `["vip", "10.0.20.200"]`: there is one finding per kind and subject.
    pub subject: Vec<ArcStr>,
    pub severity: Severity,
    pub summary: String,
    pub src: Option<Endpoint>,
    pub dst: Option<Endpoint>,
    pub vip: Option<ArcStr>,
    pub policies: Vec<ObjectRef>,
    /// Nodes that it is about; none: the one that sees it.
    pub nodes: Vec<ArcStr>,
    /// Absent: the cause told before stands.
    pub cause: Option<String>,
    /// Oldest first; of many the first and the last are kept.
    pub evidence: Vec<Evidence>,
    pub count: u64,
}

impl Findings {
    /// A finding begins or goes on. It is told at once when that is news, else with the next tick; without another
    /// word for [`crate::findings::FindingsConfig::quiet`] it resolves.
    pub fn raise(&mut self, raised: Raised, now: Timestamp) {
        let key = Key::of_parts(raised.kind, raised.subject.iter().cloned());
        self.update(key, now, |entry| entry.raised(now, raised));
    }

    /// A finding that was raised has ended, for this reason; nothing happens if there is no such active one.
    pub fn lower(&mut self, kind: FindingKind, subject: &[&str], because: Option<String>, now: Timestamp) {
        let key = Key::of_parts(kind, subject.iter().map(|part| ArcStr::from(*part)));
        if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.is_active()) {
            entry.lowered(now, because);
            self.outputs.push_back(entry.tell(now));
        }
    }
}
