use std::sync::Condvar;
use std::time::Duration;

use super::*;

fn jobs(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

#[test]
fn as_many_items_are_worked_on_at_the_same_time_as_there_are_jobs() {
    let (begun, all) = (Mutex::new(0), Condvar::new());
    let both_have_begun = |_: &i32| {
        let mut begun = begun.lock().unwrap();
        *begun += 1;
        all.notify_all();
        let (_begun, waited) =
            all.wait_timeout_while(begun, Duration::from_secs(10), |begun| *begun < 2).unwrap();
        Ok(!waited.timed_out())
    };
    assert!(failed(&[1, 2], jobs(2), both_have_begun).unwrap().is_empty());
}

#[test]
fn those_that_did_not_pass_are_returned() {
    assert_eq!(failed(&[1, 2, 3, 4], jobs(1), |item| Ok(item % 2 == 0)).unwrap(), [&1, &3]);
    assert_eq!(failed(&[1, 2], jobs(8), |_| Ok(true)).unwrap(), [&0; 0]);
    failed(&[1, 2], jobs(2), |_| Err(anyhow!("it can't be run"))).unwrap_err();
}
