use std::io::{BufRead as _, BufReader, pipe, read_to_string};
use std::os::unix::process::ExitStatusExt as _;

use nix::sys::signal::kill;

use super::*;

/// A process that outlives its shell, and then prints a line.
const LONG: &str = "(sleep 20; echo outlived); true";

fn background(script: &str, out: impl Into<Stdio>, log: &Path) -> Background {
    Background::spawn(Command::new("sh").args(["-c", script]).stdout(out), Some(log.to_owned())).unwrap()
}

#[test]
fn failures_come_with_the_log_and_nothing_outlives_its_owner() {
    let dir = std::env::temp_dir().join(format!("xtask-background-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let log = dir.join("log");
    let file = || File::create(&log).unwrap();
    background("true", file(), &log).wait().unwrap();
    let error = background("echo what went wrong; exit 3", file(), &log).wait().unwrap_err();
    assert!(format!("{error:#}").contains("what went wrong"), "{error:#}");
    let (reader, writer) = pipe().unwrap();
    drop(background(LONG, writer, &log));
    assert_eq!(read_to_string(reader).unwrap(), "");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
#[ignore = "no test: the process that the next one interrupts"]
fn waits() {
    let background = background(LONG, std::io::stderr(), Path::new("/dev/null"));
    println!("started");
    background.wait().unwrap();
}

#[test]
fn an_interrupt_ends_all_of_it() {
    let (reader, writer) = pipe().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "background::tests::waits", "--ignored", "--nocapture"]);
    command.stdout(Stdio::piped()).stderr(writer);
    let mut owner = command.spawn().unwrap();
    drop(command);
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("started")));
    kill(Pid::from_raw(owner.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(owner.wait().unwrap().signal(), Some(SIGINT));
    assert_eq!(read_to_string(reader).unwrap(), "");
}
