//! Kustomizations, rendered by the programs that people render them with.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{iter, thread};

/// The programs that render, with their arguments before the directory, in the order in which they are tried.
const PROGRAMS: [(&str, &str); 2] = [("kubectl", "kustomize"), ("kustomize", "build")];

/// A kustomization may fetch bases from other hosts; it gets so long.
const LIMIT: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(20);

/// Renders a directory to YAML.
///
/// # Errors
/// Fails with the reason when no program is there, or none can render it.
pub(super) fn render(directory: &Path) -> Result<Vec<u8>, String> {
    first(&PROGRAMS, directory)
}

/// Returns what the first program prints that can render the directory. The others may be older, or lack a plugin.
fn first(programs: &[(&str, &str)], directory: &Path) -> Result<Vec<u8>, String> {
    let mut failures = Vec::new();
    for (program, argument) in programs {
        match run(program, &[argument.as_ref(), directory.as_os_str()], LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => failures.push(format!("{program} can't run: {error}")),
            Ok(Err(why)) => failures.push(format!("`{program} {argument}` fails: {why}")),
            Ok(Ok(rendered)) => return Ok(rendered),
        }
    }
    match failures.is_empty() {
        true => Err("neither kubectl nor kustomize is there".to_owned()),
        false => Err(failures.join(", and ")),
    }
}

/// Returns what a program prints, or the last line of its errors.
fn run(program: &str, arguments: &[&OsStr], limit: Duration) -> io::Result<Result<Vec<u8>, String>> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (out, err) = (drained(child.stdout.take()), drained(child.stderr.take()));
    let Some(status) = wait(&mut child, limit)? else {
        return Ok(Err(format!("it takes longer than {} s", limit.as_secs())));
    };
    let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    let err = String::from_utf8_lossy(&err);
    let last = err.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("without a word");
    Ok(if status.success() { Ok(out) } else { Err(last.trim_start_matches("error: ").to_owned()) })
}

/// Reads in a thread of its own, because a pipe that nobody reads would stop the program.
fn drained(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read until an error still helps.
            pipe.read_to_end(&mut bytes).ok();
        }
        bytes
    })
}

/// Waits for the end; `None` when the program was stopped because of the limit.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<std::process::ExitStatus>> {
    let steps = limit.as_millis() / STEP.as_millis();
    for _ in iter::repeat_n((), usize::try_from(steps).unwrap_or(usize::MAX)) {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(STEP);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

#[cfg(test)]
mod tests;
