use super::*;

fn check(name: &'static str, status: Status) -> Check {
    let advice = (status != Status::Ok).then_some("do something");
    Check { name, status, found: "found".into(), advice }
}

fn text(checks: &[Check]) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    print_text(&mut out, checks).unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

#[test]
fn lines_are_aligned() {
    let printed = text(&[check("kernel", Status::Ok), check("ring buffer", Status::Fail)]);
    let expected = "ok    kernel       found\n\
                    fail  ring buffer  found\n\
                    \u{20}                  -> do something\n\
                    \nThe agent can't run: 1 failure.\n";
    assert_eq!(printed, expected);
}

#[test]
fn the_summary_counts() {
    let check =
        |statuses: &[Status]| summary(&statuses.iter().map(|&status| check("c", status)).collect::<Vec<_>>());
    assert_eq!(check(&[Status::Ok]), "Everything works.");
    assert_eq!(check(&[Status::Warn, Status::Warn]), "The agent can run; 2 warnings.");
    assert_eq!(check(&[Status::Warn, Status::Fail]), "The agent can't run: 1 failure.");
}

#[test]
fn json_carries_status_and_advice() {
    let mut out = Vec::new();
    let checks = [check("kernel", Status::Ok), check("BTF", Status::Warn)];
    print_json(&mut out, &Report { ok: true, checks: &checks }).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let expected = serde_json::json!({"ok": true, "checks": [
        {"name": "kernel", "status": "ok", "found": "found"},
        {"name": "BTF", "status": "warn", "found": "found", "advice": "do something"},
    ]});
    assert_eq!(read, expected);
}

#[test]
fn help_describes_the_json_that_is_printed() {
    use clap::CommandFactory as _;
    let mut command = crate::commands::Cli::command();
    let help = command.find_subcommand_mut("doctor").unwrap().render_long_help().to_string();
    assert!(help.contains("json: One JSON object") && !help.contains("per line"), "{help}");
}
