use super::*;

#[test]
fn a_client_is_out_for_the_rest_of_the_window() {
    let (client, other) = (Client::new([10, 0, 0, 1].into()), Client::new([10, 0, 0, 2].into()));
    let (mut strikes, start) = (Strikes::new(), Instant::now());
    for _ in 0..STRIKES {
        assert!(!strikes.is_out(client, start));
        strikes.add(client, start);
    }
    assert!(strikes.is_out(client, start + WINDOW / 2));
    assert!(!strikes.is_out(other, start + WINDOW / 2));
    assert!(!strikes.is_out(client, start + WINDOW));
    strikes.add(client, start + WINDOW);
    assert!(!strikes.is_out(client, start + WINDOW));
}
