//! Regular reports of the open connections: a baseline must have those that are older than the agent.

use flow_model::output::{OpenFlow, Output};
use jiff::{SignedDuration, Timestamp};

use crate::engine::Engine;

/// Time between two reports, plus an allowance for each connection.
const REPORT_EVERY: SignedDuration = SignedDuration::from_secs(5);
const PER_CONNECTION: SignedDuration = SignedDuration::from_micros(250);

impl Engine {
    /// Reports all open connections, if that is due.
    pub(super) fn report_open_flows(&mut self, now: Timestamp) {
        let open = i32::try_from(self.connections.len()).unwrap_or(i32::MAX);
        let pause = REPORT_EVERY.saturating_add(PER_CONNECTION.saturating_mul(open));
        // When the clock was set back, reports must go on.
        let is_recent = |reported| (SignedDuration::ZERO..pause).contains(&now.duration_since(reported));
        let nothing_new = self.open_flows_reported.is_none() && self.connections.is_empty();
        if self.open_flows_reported.is_some_and(is_recent) || nothing_new {
            return;
        }
        self.open_flows_reported = Some(now);
        let flows = self.connections.by_pair().into_iter().map(|(tuple, since, open)| {
            let resolved = self.identity.resolve(&tuple, now);
            let (src, dst) = (resolved.client_endpoint(), resolved.server_endpoint());
            OpenFlow { src, dst, since, open }
        });
        self.outputs.push_back(Output::OpenFlows(flows.collect()));
    }
}
