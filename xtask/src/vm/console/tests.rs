use super::*;

fn console(text: &str) -> Console {
    let mut console = Console::default();
    text.lines().for_each(|line| console.line(line));
    console
}

#[test]
fn a_guest_that_passes() {
    let seen = console("SeaBIOS\nvm: init-up 6.1.0-56-cloud-amd64\r\ntest a ... ok\n\nvm: exit 0\r\n");
    assert_eq!(seen.up.as_deref(), Some("6.1.0-56-cloud-amd64"));
    assert_eq!((seen.exit, seen.oops), (Some(0), None));
}

#[test]
fn a_marker_behind_a_kernel_message() {
    assert_eq!(console("[    9.1] eth0: up vm: exit 101\n").exit, Some(101));
}

#[test]
fn the_kernels_own_trouble() {
    for line in [
        "[    3.141592] BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "[   12.000001] Oops: 0002 [#1] SMP NOPTI",
        "[    0.900000] Kernel panic - not syncing: VFS: Unable to mount root fs",
    ] {
        assert_eq!(console(line).oops.as_deref(), Some(line));
    }
    for line in ["BUG: printed by a test", "[x] BUG: no time", "[    1.0] veth0: link up"] {
        assert_eq!(console(line).oops, None, "{line}");
    }
}

#[test]
fn the_tail_may_be_longer_than_the_text() {
    assert_eq!(console("a\nb\nc").tail(2), ["b", "c"]);
    assert_eq!(console("a").tail(2), ["a"]);
}
