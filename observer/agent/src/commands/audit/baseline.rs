//! Observed flows, from a file.

use std::path::Path;

use anyhow::Context as _;
use flow_model::baseline::Baseline;
use flow_objects::encoding;

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
