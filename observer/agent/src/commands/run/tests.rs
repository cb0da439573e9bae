use std::ffi::OsString;

use crate::commands::{Command, parse};

#[test]
fn the_file_supplies_what_the_flags_leave_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flow-observer.toml");
    let check = "[[check]]\nname = \"lock\"\ntarget = \"10.0.0.1:80\"\n";
    std::fs::write(&path, format!("max_series = 7\nnode_name = \"file\"\n{check}")).unwrap();
    let path = path.to_str().unwrap();
    let args = ["flow-observer", "run", "--config", path, "--node-name", "flag"].map(OsString::from);
    let Command::Run(run) = parse(&args).unwrap().command else { panic!("not `run`") };
    assert_eq!((run.options.max_series, run.options.node_name.as_deref()), (7, Some("flag")));
    assert_eq!(run.options.check.len(), 1);

    std::fs::write(path, "max_series = 0").unwrap();
    let error = parse(&args).unwrap_err().to_string();
    assert_eq!(error, format!("{path}: `max_series`: 0 is not in 1..=1000000"));
}
