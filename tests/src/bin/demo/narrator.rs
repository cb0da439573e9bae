//! Tells the story on standard output, to people or to machines.

use std::io::{Write, stdout};

use serde_json::{Value, json};

/// Numbers the steps.
#[derive(Debug)]
pub(crate) struct Narrator {
    json: bool,
    steps: u32,
}

impl Narrator {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, steps: 0 }
    }

    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Something happens.
    pub(crate) fn step(&mut self, text: &str) {
        self.steps += 1;
        if self.json {
            say(&json!({"type": "step", "step": self.steps, "text": text}).to_string());
        } else {
            say(&format!("\n{}. {text}", self.steps));
        }
    }

    /// What a client sees.
    pub(crate) fn client(&self, who: &str, text: &str) {
        if self.json {
            say(&json!({"type": "client", "step": self.steps, "pod": who, "text": text}).to_string());
        } else {
            say(&format!("   {who}: {text}"));
        }
    }

    /// A line of `flow-observer tail`.
    pub(crate) fn tail(&self, line: &str) {
        say(&format!("   | {line}"));
    }

    /// A flow record.
    pub(crate) fn record(&self, record: &Value) {
        say(&json!({"type": "record", "step": self.steps, "record": record}).to_string());
    }

    /// The end.
    pub(crate) fn summary(&self, lines: &[String], facts: &Value) {
        if self.json {
            say(&json!({"type": "summary", "summary": facts}).to_string());
        } else {
            say(&format!("\n{}", lines.join("\n")));
        }
    }
}

/// A reader that went away (`| head`) is no reason to leave a lab behind.
fn say(line: &str) {
    let mut out = stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
