use std::process::Command;

use super::*;

#[test]
fn processes_are_told_apart_by_their_start() {
    let file = std::env::temp_dir().join(format!("xtask-process-{}", std::process::id()));
    let ours = std::process::id();
    record(&file, ours).unwrap();
    assert_eq!(recorded(&file), Some(ours));
    // Another process with the same number.
    fs::write(&file, format!("{ours} 1")).unwrap();
    assert_eq!(recorded(&file), None);
    fs::write(&file, ours.to_string()).unwrap();
    assert_eq!(recorded(&file), None, "without its start, a process is not known");
    fs::remove_file(&file).unwrap();
    assert_eq!(recorded(&file), None);
}

#[test]
fn what_is_recorded_is_ended() {
    let file = std::env::temp_dir().join(format!("xtask-process-ended-{}", std::process::id()));
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    record(&file, child.id()).unwrap();
    end_recorded(&file);
    assert!(!is_alive(child.id()));
    assert!(!child.wait().unwrap().success());
    fs::remove_file(&file).unwrap();
}
