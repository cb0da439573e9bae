//! What an agent says of itself beside an answer, so that a reader knows what the answer covers.

use arcstr::ArcStr;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The agent that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentInfo {
    /// The node whose traffic it observes. What happens between other nodes only, it does not see.
    #[schemars(with = "String")]
    pub node: ArcStr,
    /// Its start: it remembers nothing from before.
    pub started: Timestamp,
    /// The nodes of the cluster as the agent knows it, sorted; empty where it knows no cluster.
    #[schemars(with = "Vec<String>")]
    pub nodes: Vec<ArcStr>,
}
