//! Observed flows, from a file or an agent.

use std::path::Path;

use anyhow::Context as _;
use flow_model::baseline::Baseline;
use flow_objects::encoding;

use crate::client::connect::ConnectArgs;
use crate::client::target::Target;
use crate::commands::snapshot::PATH;

/// Reads flows from a file.
pub(super) fn read(path: &Path) -> anyhow::Result<Baseline> {
    let name = path.display();
    let json = std::fs::read(path).with_context(|| {
        format!(
            "{name} can't be read; `flow-observer snapshot --all-nodes {name}` writes the cluster and its flows, and \
             `curl http://NODE:9477{PATH} > {name}` what one agent knows"
        )
    })?;
    Baseline::from_json(&encoding::utf8(&json))
        .with_context(|| format!("{name} holds no flows as {PATH} answers"))
}

/// Asks an agent for its flows.
pub(super) async fn fetch(url: &str, connect: &ConnectArgs) -> anyhow::Result<Baseline> {
    let target = Target::new(url, connect)?;
    let json = target.get(PATH).await?;
    Baseline::from_json(&json).with_context(|| format!("{url}{PATH} is not the flows of an agent"))
}
