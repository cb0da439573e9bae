use super::*;

#[test]
fn waits_grow_up_to_the_longest_and_begin_again() {
    let longest = Duration::from_secs(5);
    let (mut wait, failure) = (Wait::new(longest), Failure::Other(String::new()));
    let first = wait.after(&failure);
    let waits: Vec<_> = (0..20).map(|_| wait.after(&failure)).collect();
    assert!(first < Duration::from_secs(1), "{first:?}");
    assert!(waits.iter().all(|wait| *wait <= longest), "{waits:?}");
    assert_eq!(waits[19], longest);
    wait.reset();
    assert!(wait.after(&failure) < Duration::from_secs(1));
}

#[test]
fn the_wait_that_a_server_asks_for_is_kept() {
    let mut wait = Wait::new(Duration::from_secs(1));
    let busy = Failure::Busy { text: String::new(), wait: Duration::from_secs(7) };
    assert!(wait.after(&busy) >= Duration::from_secs(7));
}
