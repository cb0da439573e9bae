//! Reads the serial console of a guest.

/// Holds the state of a guest, from the lines so far.
#[derive(Debug, Default)]
pub(super) struct Console {
    /// All lines.
    pub(super) lines: Vec<String>,
    /// The kernel's release, once the guest's init runs.
    pub(super) up: Option<String>,
    /// The exit code of the tests.
    pub(super) exit: Option<i32>,
    /// The first line in which the kernel itself reported a bug.
    pub(super) oops: Option<String>,
}

const SIGNS: [&str; 6] =
    ["BUG: ", "Oops: ", "Kernel panic", "general protection fault", "kernel BUG at", "Unable to mount root"];

impl Console {
    /// Reads the next line.
    pub(super) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(release) = after(line, "vm: init-up ") {
            self.up = Some(release.to_owned());
        }
        if let Some(code) = after(line, "vm: exit ") {
            self.exit = code.parse().ok();
        }
        if self.oops.is_none() && is_oops(line) {
            self.oops = Some(line.to_owned());
        }
        self.lines.push(line.to_owned());
    }

    /// Returns the last `count` lines.
    pub(super) fn tail(&self, count: usize) -> &[String] {
        &self.lines[self.lines.len().saturating_sub(count)..]
    }
}

/// Returns the text after a marker. Kernel messages may precede it in the line.
fn after<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    Some(line.split_once(marker)?.1.trim())
}

/// Is true for a bug that the kernel reports. Only the kernel starts lines with a time in brackets.
fn is_oops(line: &str) -> bool {
    let Some((time, message)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
        return false;
    };
    time.trim().parse::<f64>().is_ok() && SIGNS.iter().any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests;
