use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use super::*;

fn policy(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("flow-observer-policy-{name}-{}", std::process::id()))
}

/// Runs a shell script under a policy, whose path is `$0`, and returns whether it succeeded.
fn run_guarded(policy: &Path, script: &str) -> bool {
    let mut command = Command::new("env");
    // Under nohup and in the background of a shell, signals are ignored from the start.
    command.args(["--default-signal", "sh", "-c", script]).arg(policy);
    // In a group of its own: the script may signal its whole group, as a terminal does.
    guarded(policy, &command).process_group(0).status().unwrap().success()
}

#[test]
fn the_policy_is_there_for_the_time_of_the_command() {
    let path = policy("time");
    assert!(run_guarded(&path, r#""$0"; [ $? = 101 ]"#));
    assert!(!path.exists());
    assert!(!run_guarded(&path, "exit 100"), "the command's failure is the caller's");
    assert!(!path.exists());
}

#[test]
fn a_signal_leaves_no_policy() {
    let path = policy("signal");
    for signal in ["INT", "TERM", "HUP"] {
        assert!(!run_guarded(&path, &format!(r#"test -e "$0" && kill -{signal} 0; sleep 9"#)), "{signal}");
        assert!(!path.exists(), "{signal}");
    }
}

#[test]
fn a_policy_that_an_earlier_run_left_goes() {
    let path = policy("left");
    fs::write(&path, FORBID).unwrap();
    assert!(run_guarded(&path, r#"test -x "$0""#));
    assert!(!path.exists());
}

#[test]
fn a_policy_of_the_machine_stays() {
    let path = policy("machine");
    fs::write(&path, "the machine's").unwrap();
    assert!(run_guarded(&path, "true"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "the machine's");
    fs::remove_file(&path).unwrap();
}
