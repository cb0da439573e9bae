use super::*;

#[test]
fn places_are_shared_and_come_back() {
    let client = |last| Client::new([10, 0, 0, last].into());
    let places = Places::new(3, 2);
    let first = places.take(client(1)).unwrap();
    let second = places.take(client(1)).unwrap();
    assert_eq!(places.take(client(1)).unwrap_err(), Full::OfClient);
    let third = places.take(client(2)).unwrap();
    assert_eq!(places.take(client(3)).unwrap_err(), Full::All);
    drop(first);
    let fourth = places.take(client(3)).unwrap();
    drop((second, third, fourth));
    assert!(places.taken.lock().by_client.is_empty(), "clients that are gone take no memory");
}

#[test]
fn an_ipv4_client_is_the_same_on_a_listener_of_both_families() {
    let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
    assert_eq!(Client::new(mapped), Client::new([10, 0, 0, 1].into()));
}
