use std::cell::Cell;

use super::*;

#[test]
fn a_change_is_taken_back_once() {
    let count = Cell::new(0);
    let step = || {
        count.set(count.get() + 1);
        Ok(())
    };
    drop(Undo::new(step));
    assert_eq!(count.get(), 1);
    Undo::new(step).finish().unwrap();
    assert_eq!(count.get(), 2);
}
