use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn sentence(started: i64, begins: &[(Kind, i64)]) -> String {
    let begins = begins.iter().map(|(kind, second)| (*kind, at(*second))).collect();
    let event = Event::Memory(Memory { started: at(started), begins });
    let record = FlowRecord { time: at(0), node: "n1".into(), event };
    of_line(&serde_json::to_string(&record).unwrap(), &TimeZone::UTC).unwrap()
}

#[test]
fn a_young_agent_names_its_start() {
    let expected = "node n1 does not remember everything since 2026-11-18 11:06:40: it has records since its agent's \
                    start, 2026-11-18 11:07:00";
    assert_eq!(sentence(20, &[(Kind::Attempt, 20), (Kind::Reset, 20)]), expected);
}

#[test]
fn kinds_whose_records_gave_way_have_times_of_their_own() {
    let text = sentence(20, &[(Kind::Attempt, 90), (Kind::Reset, 20)]);
    let expected = ": it has attempts since 2026-11-18 11:08:10, everything else since its agent's start, 2026-11-18 11:07:00";
    assert!(text.ends_with(expected), "{text}");
    let text = sentence(-900, &[(Kind::Attempt, 90)]);
    assert!(
        text.ends_with("attempts since 2026-11-18 11:08:10, everything else that was asked for"),
        "{text}"
    );
}

#[test]
fn other_lines_have_no_sentence() {
    for line in ["", "{}", r#"{"kind":"memory"}"#, r#"{"kind":"attempt","note":"\"kind\":\"memory\""}"#] {
        assert_eq!(of_line(line, &TimeZone::UTC), None, "{line}");
    }
}
