use super::States;

#[test]
fn reported_states_and_those_that_are_read_have_a_level() {
    let states = States::default();
    states.set("handshakes", 7, 65_536);
    states.set("handshakes", 9, 65_536);
    states.add("findings", 1_000, Box::new(|| Some(3)));
    assert_eq!(states.levels(), [("findings", 3, 1_000), ("handshakes", 9, 65_536)]);
}

#[test]
fn a_state_that_has_ended_has_no_series() {
    let states = States::default();
    states.add("links_queue", 1_024, Box::new(|| None));
    assert_eq!(states.levels(), []);
}
