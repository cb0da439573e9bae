use super::*;

fn check(name: &'static str, status: Status) -> Line {
    let advice = (status != Status::Ok).then_some("do something");
    Line { node: None, check: Check { name, status, found: "found".into(), advice } }
}

fn text(checks: &[Line]) -> String {
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
fn an_agent_that_does_not_answer_says_nothing_about_this_machine() {
    let agent = |status| check(live::AGENT, status);
    let alone = summary(&[check("kernel", Status::Ok), agent(Status::Fail)]);
    assert_eq!(alone, "An agent can run here, but the one that was named could not be asked.");
    let both = summary(&[check("kernel", Status::Fail), agent(Status::Fail)]);
    assert_eq!(both, "The agent can't run: 2 failures.");
}

#[test]
fn lines_of_several_nodes_begin_with_their_node() {
    let of = |node: &str, status| Line { node: Some(node.into()), ..check("live agent", status) };
    let expected = "ok    live agent  n1: found\n\
                    fail  live agent  n2: found\n\
                    \u{20}                 -> do something\n\
                    \n1 agent could not be asked.\n";
    assert_eq!(text(&[of("n1", Status::Ok), of("n2", Status::Fail)]), expected);
    assert!(text(&[of("n1", Status::Ok)]).ends_with("\nAll agents are ready and see everything.\n"));
    assert!(text(&[of("n1", Status::Warn)]).ends_with("\nAll agents were asked; 1 warning.\n"));
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
