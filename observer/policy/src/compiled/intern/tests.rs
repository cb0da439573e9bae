//! Numbers are given again once they are free.

use super::*;

#[test]
fn a_number_is_given_again_when_its_last_user_is_gone() {
    let mut names = Interner::<String>::default();
    let mut acquire = |name: &str| names.acquire(name, || name.to_owned());
    assert_eq!([acquire("a"), acquire("b"), acquire("a")], [(0, true), (1, true), (0, false)]);
    assert!(!names.release(0));
    assert_eq!(names.find("a"), Some(0));
    assert!(names.release(0));
    assert_eq!(names.find("a"), None);
    assert_eq!(names.acquire("c", || "c".to_owned()), (0, true));
    assert_eq!(names.iter().map(|(id, name)| (id, name.as_str())).collect::<Vec<_>>(), [(0, "c"), (1, "b")]);
}
