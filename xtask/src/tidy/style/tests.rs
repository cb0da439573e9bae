use super::*;

#[test]
fn a_module_lies_beside_its_folder() {
    assert_eq!(check("a/src/foo/mod.rs").unwrap(), "a/src/foo/mod.rs: a module's own file is a/src/foo.rs");
    assert_eq!(check("a/src/foo.rs"), None);
    assert_eq!(check("tests/tests/kube/main.rs"), None);
}
