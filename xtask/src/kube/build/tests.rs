use super::*;

#[test]
fn the_upstream_version_is_read_from_debians() {
    assert_eq!(upstream("1.20.5+really1.20.2-1.1"), "1.20.2");
    assert_eq!(upstream("1.32.3+ds-2"), "1.32.3");
    assert!(link("1.20.5+really1.20.2-1.1").contains("component-base/version.gitVersion=v1.20.2"));
}
