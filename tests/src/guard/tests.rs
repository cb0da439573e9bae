use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::netns::Netns;

#[test]
#[ignore = "no test: the process that the next one ends"]
fn waits() {
    let guard = Guard::take().unwrap();
    let _ns = Netns::new(&guard, "node1").unwrap();
    println!("\nmade {}", guard.full_name("node1"));
    wait::until("the end", Duration::from_secs(60), || None::<()>).unwrap();
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "guard::tests::waits", "--ignored", "--nocapture"]);
        let mut lab = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(lab.stdout.take().unwrap()).lines().map_while(Result::ok);
        let made = lines.find_map(|line| line.strip_prefix("made ").map(str::to_owned)).unwrap();
        let ns = Path::new("/run/netns").join(&made);
        assert!(ns.exists(), "{made}");
        kill(Pid::from_raw(lab.id().try_into().unwrap()), signal).unwrap();
        assert!(!lab.wait().unwrap().success());
        assert!(!ns.exists(), "{signal}: {made} is left");
    }
}

#[test]
fn maker_is_read_from_lab_names_only() {
    assert_eq!(maker("fo-123-0-node1"), Some(123));
    assert_eq!(maker("fo-node1"), None);
    assert_eq!(maker("cni-123"), None);
}
