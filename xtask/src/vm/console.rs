//! What a guest says on its serial console, and what it means.

/// The state of a guest, from the lines seen so far.
#[derive(Debug, Default)]
pub(super) struct Console {
    /// All lines.
    pub(super) lines: Vec<String>,
    /// The kernel's release, once our init runs.
    pub(super) up: Option<String>,
    /// The exit code of the tests.
    pub(super) exit: Option<i32>,
    /// The first line in which the kernel itself reported a bug.
    pub(super) oops: Option<String>,
}

const SIGNS: [&str; 6] =
    ["BUG: ", "Oops: ", "Kernel panic", "general protection fault", "kernel BUG at", "Unable to mount root"];

impl Console {
    /// Takes the next line.
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

    /// The last `count` lines.
    pub(super) fn tail(&self, count: usize) -> &[String] {
        &self.lines[self.lines.len().saturating_sub(count)..]
    }
}

/// Kernel messages may precede a marker in its line.
fn after<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    Some(line.split_once(marker)?.1.trim())
}

/// Only the kernel starts lines with a time in brackets; a test may print what it likes.
fn is_oops(line: &str) -> bool {
    let Some((time, message)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
        return false;
    };
    time.trim().parse::<f64>().is_ok() && SIGNS.iter().any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(text: &str) -> Console {
        let mut console = Console::default();
        text.lines().for_each(|line| console.line(line));
        console
    }

    #[test]
    fn a_guest_that_passes() {
        let seen = console("SeaBIOS\nvm: init-up 6.1.0-56-cloud-amd64\r\ntest a ... ok\n\nvm: exit 0\r\n");
        assert_eq!(seen.up.as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert_eq!((seen.exit, seen.oops), (Some(0), None));
    }

    #[test]
    fn a_marker_behind_a_kernel_message() {
        assert_eq!(console("[    9.1] eth0: up vm: exit 101\n").exit, Some(101));
    }

    #[test]
    fn the_kernels_own_trouble() {
        for line in [
            "[    3.141592] BUG: kernel NULL pointer dereference, address: 0000000000000000",
            "[   12.000001] Oops: 0002 [#1] SMP NOPTI",
            "[    0.900000] Kernel panic - not syncing: VFS: Unable to mount root fs",
        ] {
            assert_eq!(console(line).oops.as_deref(), Some(line));
        }
        for line in ["BUG: printed by a test", "[x] BUG: no time", "[    1.0] veth0: link up"] {
            assert_eq!(console(line).oops, None, "{line}");
        }
    }

    #[test]
    fn the_tail_may_be_longer_than_the_text() {
        assert_eq!(console("a\nb\nc").tail(2), ["b", "c"]);
        assert_eq!(console("a").tail(2), ["a"]);
    }
}
