//! The page in a real browser: headless Chromium, driven by the scripts in `observer/agent/ui/test`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::agent;
use crate::netns::Netns;

/// A running `flow-observer ui`. Dropping it ends it.
#[derive(Debug)]
pub struct Page {
    child: Child,
    /// The address that it printed.
    pub address: String,
}

impl Page {
    /// Starts the command with these arguments, e.g. in a namespace.
    ///
    /// # Errors
    /// Fails when it can't be started, or prints other than an address.
    pub fn start(args: &[&str], spawn: impl FnOnce(&mut Command) -> std::io::Result<Child>) -> Result<Self> {
        let mut command = Command::new(agent::binary()?);
        command.args(["ui", "--port", "0"]).args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = spawn(&mut command).context("start flow-observer ui")?;
        let mut address = String::new();
        let out = child.stdout.take().context("ui has no standard output")?;
        let mut page = Self { child, address: String::new() };
        BufReader::new(out).read_line(&mut address)?;
        address.trim().clone_into(&mut page.address);
        ensure!(page.address.starts_with("http://127.0.0.1:"), "it prints its address: {address:?}");
        Ok(page)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Lets a browser look for what the page has to show of a story, in a namespace or in this one. Its pictures are left in
/// `target/page`.
///
/// # Errors
/// Fails when something is missing on the page, or can't be reached by everybody.
pub fn browse(ns: Option<&Netns>, story: &str, url: &str) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let packages = root.join("observer/agent/ui");
    ensure!(packages.join("node_modules/playwright-core").is_dir(), "run `cargo xtask ui --check` once");
    let mut node = Command::new("node");
    node.current_dir(&packages).args(["test/page.mjs", story, url]).arg(root.join("target/page"));
    node.stdin(Stdio::null());
    let output = match ns {
        Some(ns) => ns.run(|| node.output()),
        None => node.output(),
    };
    let output = output.context("start node")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}
