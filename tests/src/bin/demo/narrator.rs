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

    /// What the agent found: its sentence, what brought it about, and that it is over.
    pub(crate) fn finding(&self, finding: &Value) {
        if self.json {
            return say(&json!({"type": "finding", "step": self.steps, "finding": finding}).to_string());
        }
        let text = |key: &str| finding[key].as_str().unwrap_or_default();
        let state = if finding["state"] == "resolved" { " (resolved)" } else { "" };
        say(&format!("   ! {}{state}: {}", text("kind"), text("summary")));
        if !text("cause").is_empty() {
            say(&format!("     cause: {}", text("cause")));
        }
    }

    /// A command, what it printed, and how it ended.
    pub(crate) fn command(&self, line: &str, output: &str, code: Option<i32>) {
        let code = code.unwrap_or(-1);
        if self.json {
            let told = json!({"type": "command", "step": self.steps, "command": line, "output": output, "exit": code});
            return say(&told.to_string());
        }
        say(&format!("   $ {line}"));
        output.lines().for_each(|l| say(&format!("   | {l}")));
        say(&format!("   exit {code}"));
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
