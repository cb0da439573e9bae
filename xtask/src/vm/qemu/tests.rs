use super::*;

fn watched(script: &str, timeout: Duration) -> Ended {
    let mut shell = Running(Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap());
    watch(&read_lines(shell.0.stdout.take().unwrap()), timeout, |_| {})
}

#[test]
fn a_guest_that_ends() {
    let ended = watched("echo vm: init-up 6; echo vm: exit 3", Duration::from_secs(30));
    assert_eq!((ended.console.exit, ended.timed_out), (Some(3), false));
}

#[test]
fn a_guest_that_hangs() {
    let ended = watched("echo vm: init-up 6; exec sleep 60", Duration::from_millis(300));
    assert!(ended.timed_out && ended.console.up.is_some());
    assert!(ended.took < Duration::from_secs(30));
}
