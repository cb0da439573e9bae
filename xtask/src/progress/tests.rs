use super::*;

const LOG: &str =
    "    Updating crates.io index\n   Compiling libc v0.2.191\n   Compiling lab v0.1.0 (/work/tests)\n";

#[test]
fn a_build_shows_its_crates_and_the_last_one() {
    assert_eq!(progress_of(LOG).unwrap(), "2 crates, Compiling lab v0.1.0");
    assert_eq!(
        progress_of("Get:1 http://deb.debian.org iproute2\n\n").unwrap(),
        "Get:1 http://deb.debian.org iproute2"
    );
    assert_eq!(progress_of(""), None);
}

#[test]
fn messages_for_people_stay_and_progress_goes() {
    let warning = "warning: unused variable\n  --> src/lib.rs:1:1\n";
    assert_eq!(messages(&format!("{LOG}{warning}    Finished `dev` profile\n")), warning.trim_end());
}

#[test]
fn a_command_that_fails_shows_its_log_and_one_that_works_returns_its_output() {
    let logs = std::env::temp_dir().join(format!("flow-observer-progress-{}", std::process::id()));
    Progress::during(&logs, |progress| {
        let failed = progress.run("a task", Command::new("sh").args(["-c", "echo why; exit 3"])).unwrap_err();
        assert!(format!("{failed:#}").ends_with("why"), "{failed:#}");
        let built =
            progress.logged("build", Command::new("sh").args(["-c", "echo json; echo text >&2"]), true);
        assert_eq!(built.unwrap(), b"json\n");
        assert_eq!(progress.lock().line(), None);
    });
    fs::remove_dir_all(&logs).unwrap();
}

#[test]
fn minutes_are_named() {
    assert_eq!(seconds(Duration::from_secs(59)), "59 s");
    assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
}
