use super::*;

#[test]
fn the_same_name_is_the_same_copy() {
    let text = String::from("a-name-of-this-test");
    assert!(ArcStr::ptr_eq(&shared("a-name-of-this-test"), &shared(&text)));
}

#[test]
fn names_that_are_no_longer_used_are_forgotten() {
    let mut names = Names::new();
    let kept: Vec<_> = (0..10).map(|n| names.shared(&format!("kept-{n}"))).collect();
    for n in 0..3 * FIRST_SWEEP {
        names.shared(&format!("gone-{n}"));
    }
    assert!(names.known.len() <= FIRST_SWEEP, "{}", names.known.len());
    assert!(kept.iter().all(|name| names.known.contains(name)));
}
