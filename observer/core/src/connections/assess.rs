//! What [`Connections`](crate::connections::Connections) asks about a connection.

use flow_model::decision::Decision;
use flow_model::finding::Cause;
use flow_model::flow::FlowTuple;

use crate::facts::JudgedConnection;

/// Assesses connections in steps, so that an allowed connection costs no more than its decision.
pub trait Assess {
    /// Returns what the policies decide. Asked for each connection, whenever it has to be judged again.
    fn decide(&mut self, tuple: &FlowTuple) -> Decision;

    /// Returns who is concerned, and why the connection would be refused. Asked once for denied connections that differ
    /// in the client's port only. Connections of which nobody can be named are left out.
    fn detail(&mut self, tuple: &FlowTuple) -> Option<JudgedConnection>;

    /// Returns which change brought it about. Asked once per group and set of policies, for a few groups in each round.
    fn cause(&mut self, tuple: &FlowTuple, judged: &JudgedConnection) -> Option<Cause>;
}
