use super::*;
use crate::vm::console::Console;

fn check(lines: &str, timed_out: bool, expect: Result<(), &str>) {
    let mut console = Console::default();
    lines.lines().for_each(|line| console.line(line));
    let ended = Ended { console, took: Duration::ZERO, timed_out };
    assert_eq!(
        verdict(&ended).as_ref().map_err(String::as_str),
        expect.as_ref().map_err(|why| *why),
        "{lines}"
    );
}

#[test]
fn verdicts() {
    check("vm: init-up 6\nvm: exit 0", false, Ok(()));
    check("vm: init-up 6\nvm: exit 101", false, Err("exit code 101"));
    check("vm: init-up 6\ntest a ...", true, Err("not done in time"));
    check("vm: init-up 6\ntest a ...", false, Err("it ended without an exit code"));
    check("SeaBIOS", true, Err("it did not boot"));
    check(
        "vm: init-up 6\n[  1.0] BUG: soft lockup\nvm: exit 0",
        false,
        Err("the kernel failed: [  1.0] BUG: soft lockup"),
    );
}
