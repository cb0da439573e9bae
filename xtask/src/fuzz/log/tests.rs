use std::fs;

use super::*;

#[test]
fn the_counts_of_libfuzzer_are_read() {
    let line =
        "#1024\tREDUCE cov: 90 ft: 201 corp: 30/9Kb lim: 4096 exec/s: 512 rss: 27Mb L: 4/4 MS: 1 EraseBytes-";
    assert_eq!(status(line).unwrap(), "1024 runs, 90 edges, 30 inputs kept, 512 runs/s, 27Mb");
    assert_eq!(status("INFO: seed corpus: files: 3"), None);
    assert_eq!(status("#2\tsomething else"), None);
}

#[test]
fn a_crash_and_its_input_are_kept() {
    let path = std::env::temp_dir().join(format!("flow-observer-fuzz-log-{}", std::process::id()));
    let mut log = Log::create("ring", &path).unwrap();
    for line in ["before", "thread panicked at x.rs", "why", "y; Test unit written to a/crash-1"] {
        log.add(line).unwrap();
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(log.crash.len(), 3);
    assert_eq!(log.input.as_deref(), Some("a/crash-1"));
}
