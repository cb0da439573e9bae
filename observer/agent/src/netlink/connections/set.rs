//! The connections found by the last read, compared with the next.

use std::collections::HashMap;

use flow_model::flow::FlowTuple;

/// The changes between two reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    pub(super) opened: Vec<FlowTuple>,
    pub(super) closed: Vec<FlowTuple>,
}

/// Holds a bounded set. Each member remembers the round it was last seen in, so that no second set is needed to
/// compare.
pub(super) struct Set {
    known: HashMap<FlowTuple, bool>,
    round: bool,
    opened: Vec<FlowTuple>,
    max: usize,
    left_out: u64,
}

impl Set {
    pub(super) fn new(max: usize) -> Self {
        Self { known: HashMap::new(), round: false, opened: Vec::new(), max, left_out: 0 }
    }

    /// Begins a read.
    pub(super) fn begin(&mut self) {
        self.round = !self.round;
        self.left_out = 0;
    }

    /// Handles a connection that was read; one may come twice. Returns whether it has opened.
    pub(super) fn see(&mut self, tuple: FlowTuple) -> bool {
        if let Some(round) = self.known.get_mut(&tuple) {
            *round = self.round;
            return false;
        }
        let has_room = self.known.len() < self.max;
        if has_room {
            self.known.insert(tuple, self.round);
            self.opened.push(tuple);
        } else {
            self.left_out += 1;
        }
        has_room
    }

    /// Ends a read. After one that is not complete no connection counts as closed.
    pub(super) fn end(&mut self, complete: bool) -> Delta {
        let mut delta = Delta { opened: std::mem::take(&mut self.opened), closed: Vec::new() };
        let round = self.round;
        if complete {
            self.known.retain(|tuple, seen| {
                let open = *seen == round;
                if !open {
                    delta.closed.push(*tuple);
                }
                open
            });
        } else {
            self.known.values_mut().for_each(|seen| *seen = round);
        }
        delta
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns the number of connections that found no room in the last read.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }
}
