use super::*;

fn text(events: &mut mpsc::Receiver<Bytes>) -> String {
    let mut all = String::new();
    while let Ok(event) = events.try_recv() {
        all.push_str(&String::from_utf8_lossy(&event));
    }
    all
}

#[test]
fn a_note_that_is_written_in_pieces_is_one_event() {
    let (to, mut events) = mpsc::channel(9);
    let mut notes = Notes::new(to);
    let node = String::from("n3");
    writeln!(notes, "flow-observer: node {node} is missing").unwrap();
    writeln!(notes).unwrap();
    assert_eq!(text(&mut events), "event: note\ndata: node n3 is missing\n\n");
}

#[test]
fn a_page_that_is_too_slow_learns_how_many_records_it_missed() {
    let (to, mut events) = mpsc::channel(3);
    let mut sink = Sink { to, lost: 0 };
    for _ in 0..5 {
        sink.line("{}").unwrap();
    }
    assert_eq!(text(&mut events).matches("data: {}").count(), 3);
    sink.line("{}").unwrap();
    let later = text(&mut events);
    assert!(later.contains(r#""kind":"lost","lost":2,"stage":"client""#), "{later}");
    assert!(later.ends_with("data: {}\n\n"), "{later}");
}

#[test]
fn a_line_break_in_a_record_begins_no_other_field() {
    assert_eq!(event("", "a\r\nevent: b"), "data: a  event: b\n\n");
}
