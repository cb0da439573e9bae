//! Prints the story on standard output, for people or for programs.

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

    /// Prints the next step.
    pub(crate) fn step(&mut self, text: &str) {
        self.steps += 1;
        if self.json {
            say(&json!({"type": "step", "step": self.steps, "text": text}).to_string());
        } else {
            say(&format!("\n{}. {text}", self.steps));
        }
    }

    /// Prints the result of a client's attempt.
    pub(crate) fn client(&self, who: &str, text: &str) {
        if self.json {
            say(&json!({"type": "client", "step": self.steps, "pod": who, "text": text}).to_string());
        } else {
            say(&format!("   {who}: {text}"));
        }
    }

    /// Prints a line of `flow-observer tail`.
    pub(crate) fn tail(&self, line: &str) {
        say(&format!("   | {line}"));
    }

    /// Prints a flow record.
    pub(crate) fn record(&self, record: &Value) {
        say(&json!({"type": "record", "step": self.steps, "record": record}).to_string());
    }

    /// Prints a finding: its sentence, its cause, whether it is resolved, and why.
    pub(crate) fn finding(&self, finding: &Value) {
        if self.json {
            return say(&json!({"type": "finding", "step": self.steps, "finding": finding}).to_string());
        }
        let text = |key: &str| finding[key].as_str().unwrap_or_default();
        let state = if finding["state"] == "resolved" { " (resolved)" } else { "" };
        say(&format!("   ! {}{state}: {}", text("kind"), text("summary")));
        for (key, name) in [("cause", "cause"), ("ended_because", "ended")] {
            if !text(key).is_empty() {
                say(&format!("     {name}: {}", text(key)));
            }
        }
    }

    /// Prints a command, its output and its exit code.
    pub(crate) fn command(&self, line: &str, output: &str, code: Option<i32>) {
        let code = code.unwrap_or(-1);
        if self.json {
            let event = json!({"type": "command", "step": self.steps, "command": line, "output": output, "exit": code});
            return say(&event.to_string());
        }
        say(&format!("   $ {line}"));
        output.lines().for_each(|l| say(&format!("   | {l}")));
        say(&format!("   exit {code}"));
    }

    /// Prints the summary.
    pub(crate) fn summary(&self, lines: &[String], facts: &Value) {
        if self.json {
            say(&json!({"type": "summary", "summary": facts}).to_string());
        } else {
            say(&format!("\n{}", lines.join("\n")));
        }
    }
}

/// Prints a line. Errors are ignored, so that a closed pipe (`| head`) doesn't leave a lab behind.
fn say(line: &str) {
    let mut out = stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
