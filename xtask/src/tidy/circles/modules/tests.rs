use super::*;
use crate::tidy::testing::Folder;

/// Returns the edges of `a.rs`, which holds `text`.
fn edges(text: &str) -> Vec<(String, String)> {
    let folder = Folder::with(&[
        ("lib.rs", "mod a; mod b; mod facade; pub use b::deep::Deep; use tokio::spawn;"),
        ("a.rs", text),
        ("b.rs", "pub mod deep; pub fn f() {}"),
        ("b/deep.rs", "pub struct Deep;"),
        (
            "facade.rs",
            "pub use crate::b::deep::Deep as Alias; pub use std::fmt::Debug; pub mod inline { pub struct I; }",
        ),
    ]);
    let modules = Modules::read(folder.path()).unwrap();
    let graph = modules.graph(|_, _| true);
    let all = modules.top_levels().into_keys().collect();
    graph.edges("a.rs", &all).map(|(to, path)| (to.to_owned(), path.to_owned())).collect()
}

fn edge(to: &str, path: &str) -> Vec<(String, String)> {
    vec![(to.to_owned(), path.to_owned())]
}

#[test]
fn a_path_leads_to_the_file_that_defines_the_item() {
    assert_eq!(edges("use crate::b::f;"), edge("b.rs", "crate::b::f"));
    assert_eq!(
        edges("fn g() { super::b::deep::Deep::new() }"),
        edge("b/deep.rs", "super::b::deep::Deep::new")
    );
    assert_eq!(edges("use crate::facade::inline::I;"), edge("facade.rs", "crate::facade::inline::I"));
}

#[test]
fn names_that_are_exported_again_lead_to_their_origin() {
    assert_eq!(edges("use crate::Deep;"), edge("b/deep.rs", "crate::Deep"));
    assert_eq!(edges("use crate::facade::Alias;"), edge("b/deep.rs", "crate::facade::Alias"));
}

#[test]
fn an_imported_module_counts_where_it_is_used() {
    assert_eq!(edges("use crate::b;"), []);
    assert_eq!(edges("use crate::b; fn g() { b::f() }"), edge("b.rs", "b::f"));
    assert_eq!(edges("use crate::b::*;"), edge("b.rs", "crate::b"));
}

#[test]
fn an_attribute_may_use_a_whole_module() {
    assert_eq!(edges(r#"struct S(#[serde(with = "crate::b")] u8);"#), edge("b.rs", "crate::b"));
    assert_eq!(edges(r#"struct S(#[serde(default = "crate::b::f")] u8);"#), edge("b.rs", "crate::b::f"));
}

#[test]
fn other_crates_and_local_names_lead_nowhere() {
    assert_eq!(
        edges(
            "use tokio::net; use crate::facade::Debug; use super::spawn; fn g<T: D>() { T::f(); net::x() }"
        ),
        []
    );
}
