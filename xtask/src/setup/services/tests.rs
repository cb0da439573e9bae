use super::*;

#[test]
fn the_policy_goes_with_its_guard_and_a_foreign_one_stays() {
    let path = std::env::temp_dir().join(format!("flow-observer-policy-{}", std::process::id()));
    let guard = NoStarts::at(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), FORBID);
    drop(NoStarts::at(&path).unwrap());
    assert!(path.exists(), "the second guard must leave what the first one made");
    drop(guard);
    assert!(!path.exists());
}
