//! Runs the real `flow-observer audit` on a change that is still a pull request.

use std::time::Duration;

use anyhow::{Context, Result};
use lab::agent::LISTEN;
use lab::product::{self, Answer};
use lab::world::World;
use lab::{policy, wait};
use serde_json::Value;

use crate::narrator::Narrator;

const MANIFEST: &str = "network-policies.yaml";
/// The time until the counters have all flows. The agent drains them twice a second, and audit knows only those.
const PATIENCE: Duration = Duration::from_secs(10);
/// The number of lines shown; an audit of two flows has few.
const LINES: usize = 30;

/// Audits `policy` and shows the result.
pub(crate) fn play(world: &World, policy: &Value, narrator: &Narrator) -> Result<()> {
    let file = world.guard.dir().join(MANIFEST);
    policy::write(&file, policy)?;
    let file = file.to_str().context("the lab's directory is no UTF-8")?;
    let url = format!("http://{LISTEN}");
    let args = ["audit", "--manifests", file, "--url", &url];
    let mut last = None;
    let caught = wait::until("audit to object", PATIENCE, || {
        let answer = last.insert(product::run(&world.node.ns, &args));
        // Exit code 1 may also be about the manifest; here it must be about a flow.
        answer.as_ref().ok().filter(|a| a.code == Some(1) && a.stdout.contains("pal-e-docs")).cloned()
    });
    let caught = caught.with_context(|| format!("{last:?}"))?;
    narrator.command(&line(&url), &shortened(&caught, file), caught.code);
    Ok(())
}

fn line(url: &str) -> String {
    format!("flow-observer audit --manifests {MANIFEST} --url {url}")
}

/// Returns the output without the lab's own paths.
fn shortened(answer: &Answer, file: &str) -> String {
    let text = answer.stdout.replace(file, MANIFEST);
    text.lines().take(LINES).collect::<Vec<_>>().join("\n")
}
