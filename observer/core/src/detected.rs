//! The findings of detectors: plain values that hold now. [`crate::findings::Findings`] alone decides which of them are
//! news.

use arcstr::ArcStr;
use flow_model::finding::{Cause, Evidence, FindingKind, FindingSource, Severity};
use flow_model::object_ref::ObjectRef;
use flow_model::record::Endpoint;
use jiff::Timestamp;

use crate::subject::{FindingKey, Subject};

/// Everything that one detector finds now. Findings of this source that are not raised are over.
#[derive(Clone, Debug, PartialEq)]
pub struct Detected {
    pub source: FindingSource,
    /// In the order in which they are to be reported.
    pub raised: Vec<Raised>,
    /// The reasons why findings ended. A finding that ended without an entry here gets the usual one of its detector.
    pub ended: Vec<Ended>,
}

/// Holds what a detector finds about one subject now. It replaces what the detector found before.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    pub kind: FindingKind,
    pub subject: Subject,
    /// The time at which this was last true.
    pub last_seen: Timestamp,
    pub severity: Severity,
    pub summary: String,
    pub src: Option<Endpoint>,
    pub dst: Option<Endpoint>,
    pub vip: Option<ArcStr>,
    pub policies: Vec<ObjectRef>,
    /// Nodes that it concerns. Empty: the node of this agent.
    pub nodes: Vec<ArcStr>,
    /// The cause that brought it about, once it is known. The first one stays for the whole episode.
    pub cause: Option<Cause>,
    /// Oldest first. Of many the first and the last are kept.
    pub evidence: Vec<Evidence>,
    pub count: u64,
}

/// The reason why a finding ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub kind: FindingKind,
    pub subject: Subject,
    pub because: String,
}

impl Detected {
    /// Returns the value of a detector that finds nothing.
    #[must_use]
    pub fn nothing(source: FindingSource) -> Self {
        Self { source, raised: Vec::new(), ended: Vec::new() }
    }

    /// Adds the reason why a finding ended.
    pub fn end(&mut self, kind: FindingKind, subject: Subject, because: impl Into<String>) {
        self.ended.push(Ended { kind, subject, because: because.into() });
    }
}

impl Raised {
    /// Returns the key of the finding.
    #[must_use]
    pub fn key(&self) -> FindingKey {
        FindingKey { kind: self.kind, subject: self.subject.clone() }
    }
}
