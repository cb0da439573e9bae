use super::{field, kind};

#[test]
fn kinds_of_descriptors() {
    for (target, expected) in [
        ("anon_inode:bpf_link", "bpf_link"),
        ("anon_inode:bpf-map", "bpf-map"),
        ("anon_inode:[eventpoll]", "eventpoll"),
        ("socket:[4711]", "socket"),
        ("/tmp/agent.log", "file"),
    ] {
        assert_eq!(kind(target), expected);
    }
}

#[test]
fn fields_of_a_process() {
    let status = "Name:\tflow\nVmRSS:\t   5120 kB\nThreads:\t7\n";
    assert_eq!(
        (field(status, "VmRSS:"), field(status, "Threads:"), field(status, "VmHWM:")),
        (Some(5120), Some(7), None)
    );
}
