//! The evidence that is kept of a finding.

use std::collections::VecDeque;

use flow_model::finding::Evidence;
use serde::{Deserialize, Serialize};

/// Holds how a finding began and how it goes on. The count covers what happened between.
#[derive(Debug, Serialize, Deserialize, Default)]
pub(super) struct Trail {
    first: Vec<Evidence>,
    last: VecDeque<Evidence>,
}

impl Trail {
    const FIRST: usize = 3;
    const LAST: usize = 7;

    pub(super) fn push(&mut self, evidence: Evidence) {
        if self.first.len() < Self::FIRST {
            self.first.push(evidence);
            return;
        }
        if self.last.len() == Self::LAST {
            self.last.pop_front();
        }
        self.last.push_back(evidence);
    }

    pub(super) fn to_vec(&self) -> Vec<Evidence> {
        self.first.iter().chain(&self.last).cloned().collect()
    }
}

impl FromIterator<Evidence> for Trail {
    fn from_iter<T: IntoIterator<Item = Evidence>>(evidence: T) -> Self {
        let mut trail = Self::default();
        evidence.into_iter().for_each(|evidence| trail.push(evidence));
        trail
    }
}
