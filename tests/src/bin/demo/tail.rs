//! Runs the real `flow-observer tail` beside the story.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::agent::{self, LISTEN};
use lab::netns::Netns;
use lab::wait;

/// A running tail and its lines.
#[derive(Debug)]
pub(crate) struct Tail {
    child: Child,
    lines: Receiver<String>,
}

impl Tail {
    /// Starts it inside the agent's node.
    pub(crate) fn start(ns: &Netns) -> Result<Self> {
        let mut command = Command::new(agent::binary()?);
        command
            .args(["tail", "--url", &format!("http://{LISTEN}"), "--since", "10m"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // It would say there that the agent is younger than ten minutes, which is no news here.
            .stderr(Stdio::null());
        let mut child = ns.run(|| command.spawn()).context("start flow-observer tail")?;
        let stdout = child.stdout.take().context("tail has no standard output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Returns the next lines, `count` or as many as arrive in time.
    pub(crate) fn next(&self, count: usize, patience: Duration) -> Vec<String> {
        let end = Instant::now() + patience;
        let mut lines = Vec::new();
        while lines.len() < count && Instant::now() < end && !wait::interrupted() {
            lines.extend(self.lines.recv_timeout(Duration::from_millis(50)));
        }
        lines.extend(self.lines.try_iter());
        lines
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
