//! Runs one guest, from power on to power off.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::console::Console;
use super::kernel::Kernel;
use super::tools::Tools;

/// The machine is emulated: hardware virtualisation is missing or broken on many build machines, and boots take nearly
/// as long. A guest gets one thread, since two emulated processors that share the memory crash now and then.
const MACHINE: &str = "-M pc -accel tcg,thread=single,tb-size=256 -cpu max -smp 2 -m 1024 -nodefaults -no-user-config \
    -display none -serial stdio -no-reboot";
const CMDLINE: &str = "console=ttyS0 panic=-1 oops=panic quiet";
/// The time that a guest gets to boot.
const BOOT: Duration = Duration::from_secs(60);
/// The time for the rest of a kernel's report, and for switching off.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// The end of a guest.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) console: Console,
    pub(super) took: Duration,
    pub(super) timed_out: bool,
}

/// Boots a kernel and reads its console until it switches off, or `timeout` has passed. `on_line` is called with each
/// line.
pub(super) fn boot(
    tools: &Tools,
    kernel: &Kernel,
    initramfs: &Path,
    timeout: Duration,
    on_line: impl Fn(&str),
) -> Result<Ended> {
    let mut guest = Running(command(tools, kernel, initramfs)?.spawn().context("start QEMU")?);
    let lines = read_lines(guest.0.stdout.take().context("no console")?);
    Ok(watch(&lines, timeout, on_line))
}

fn command(tools: &Tools, kernel: &Kernel, initramfs: &Path) -> Result<Command> {
    let qemu = tools.command("qemu-system-x86_64")?;
    // QEMU ends with this process, also after SIGKILL.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(qemu.get_program());
    for (name, value) in qemu.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.args(MACHINE.split_whitespace());
    for dir in tools.firmware() {
        command.arg("-L").arg(dir);
    }
    command.arg("-kernel").arg(kernel.image()).arg("-initrd").arg(initramfs).args(["-append", CMDLINE]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    Ok(command)
}

fn read_lines(console: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = mpsc::sync_channel(1024);
    thread::spawn(move || {
        let mut console = BufReader::new(console);
        let mut line = Vec::new();
        while console.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    receive
}

fn watch(lines: &Receiver<String>, timeout: Duration, on_line: impl Fn(&str)) -> Ended {
    let start = Instant::now();
    let mut console = Console::default();
    let mut deadline = start + BOOT.min(timeout);
    let timed_out = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let was_up = console.up.is_some();
                console.line(&line);
                on_line(line.trim_end());
                if console.oops.is_some() || console.exit.is_some() {
                    deadline = deadline.min(Instant::now() + SHUTDOWN);
                } else if console.up.is_some() && !was_up {
                    deadline = start + timeout;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) => break console.exit.is_none() && console.oops.is_none(),
        }
    };
    Ended { console, took: start.elapsed(), timed_out }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[cfg(test)]
mod tests;
