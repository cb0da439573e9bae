use super::*;

#[test]
fn a_module_lies_beside_its_folder() {
    assert_eq!(check("a/src/foo/mod.rs", ""), ["a/src/foo/mod.rs: a module's own file is a/src/foo.rs"]);
    assert_eq!(check("a/src/foo.rs", ""), [""; 0]);
    assert_eq!(check("tests/tests/kube/main.rs", ""), [""; 0]);
    assert_eq!(check("a/README.md", "mod tests {}"), [""; 0]);
}

#[test]
fn what_tests_need_lies_in_files_of_its_own() {
    let expect = |name| [format!("a.rs: `mod {name} {{`: what tests need lies in files of its own")];
    assert_eq!(check("a.rs", "mod tests\n{}"), expect("tests"));
    assert_eq!(check("a.rs", "#[cfg(test)]\npub(crate) mod testing { fn f() {} }"), expect("testing"));
    assert_eq!(check("a.rs", "mod a { #[cfg(any(test, feature = \"x\"))] mod given {} }"), expect("given"));
    assert_eq!(check("a.rs", "pub mod flags { const A: u8 = 1; }\n#[cfg(test)]\nmod tests;"), [""; 0]);
}

#[test]
fn text_that_is_not_rust_is_a_problem() {
    assert_eq!(check("a.rs", "mod"), ["a.rs is not Rust"]);
}
