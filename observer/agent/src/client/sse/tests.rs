use proptest::prelude::*;

use super::*;

fn event(id: Option<&str>, data: Option<&str>) -> Event {
    Event { id: id.map(str::to_owned), data: data.map(str::to_owned) }
}

proptest! {
    #[test]
    fn it_does_not_matter_how_the_bytes_are_cut(cuts in prop::collection::vec(1_usize..20, 1..20)) {
        let stream = "retry: 1000\nid: a-0\n\nid: a-1\r\ndata: {\"x\":1}\r\n\r\n: keep-alive\n\n\
            id: a-2\ndata: one\ndata:two\n\ndata\n\n\nid: not complete\n";
        let (mut parser, mut events, mut rest) = (Parser::default(), Vec::new(), stream.as_bytes());
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            parser.feed(now);
            while let Some(event) = parser.next().unwrap() {
                events.push(event);
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(events, [
            event(Some("a-0"), None),
            event(Some("a-1"), Some("{\"x\":1}")),
            event(Some("a-2"), Some("one\ntwo")),
            event(None, Some("")),
        ]);
    }
}

#[test]
fn an_endless_line_is_an_error() {
    let mut parser = Parser::default();
    parser.feed(&vec![b'x'; MAX_LINE]);
    assert_eq!(parser.next(), Ok(None));
    parser.feed(b"x");
    assert_eq!(parser.next(), Err(TooLong));
}
