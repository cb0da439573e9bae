use std::fs;

use super::*;
use crate::tidy::testing::Folder;

fn found(files: &[(&str, &str)], limit: Limit) -> Vec<String> {
    let folder = Folder::with(files);
    circles(&Modules::read(folder.path()).unwrap(), limit)
}

#[test]
fn a_circle_between_modules_is_named_with_its_files_and_paths() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod inner; use crate::b::B; pub struct A;"),
        ("a/inner.rs", "use super::A;"),
        ("b.rs", "pub struct B; fn f(x: crate::a::A) {}"),
    ];
    let expect = "2 files use each other in a circle:\n    a.rs uses b.rs (crate::b::B)\n    b.rs uses a.rs (crate::a::A)";
    assert_eq!(found(&files, Limit::OneModule), [expect]);
    assert!(found(&files, Limit::Files(2)).is_empty());
    assert_eq!(found(&files, Limit::Files(1)), [expect]);
}

#[test]
fn files_of_one_module_may_use_each_other() {
    let files = [
        ("lib.rs", "mod a; use a::x::X; pub struct Root;"),
        ("a.rs", "mod x; mod y; pub struct A;"),
        ("a/x.rs", "use super::{A, y::Y}; pub struct X(crate::Root);"),
        ("a/y.rs", "use super::{A, x::X}; pub struct Y;"),
    ];
    assert!(found(&files, Limit::OneModule).is_empty());
    assert_eq!(found(&files, Limit::Files(1)).len(), 1, "two siblings");
}

#[test]
fn a_circle_may_go_through_a_parent_and_its_child() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod x; use crate::b::B; pub struct A;"),
        ("a/x.rs", "pub struct X(super::A);"),
        ("b.rs", "use crate::a::x::X; pub struct B;"),
    ];
    assert_eq!(found(&files, Limit::OneModule).len(), 1);
}

#[test]
fn the_crates_of_this_repository_can_be_read() {
    let root = crate::root();
    for (folder, _) in CRATES {
        assert!(fs::exists(root.join(folder).join("src/lib.rs")).unwrap(), "{folder}");
        Modules::read(&root.join(folder).join("src")).unwrap();
    }
}
