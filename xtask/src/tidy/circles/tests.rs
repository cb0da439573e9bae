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
fn an_edge_between_a_parent_and_its_child_does_not_close_a_circle_of_files() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod x; mod y; use x::X; pub struct A;"),
        ("a/x.rs", "use super::y::Y; pub struct X;"),
        ("a/y.rs", "use super::A; pub struct Y;"),
    ];
    assert!(found(&files, Limit::Files(1)).is_empty());
}

#[test]
fn modules_that_stay_apart_are_named_with_the_path() {
    let folder = Folder::with(&[
        ("lib.rs", "mod sink; mod probes; mod app; pub use probes::load;"),
        ("sink.rs", "mod tail; use crate::app::run;"),
        ("sink/tail.rs", "#[cfg(test)] mod tests; use crate::{probes as p, load}; fn f() { p::load() }"),
        ("probes.rs", "use crate::sink::Sink; pub fn load() {}"),
        ("app.rs", "pub fn run() { crate::probes::load() }"),
    ]);
    let modules = Modules::read(folder.path()).unwrap();
    assert_eq!(uses(&modules), ["sink/tail.rs uses probes.rs (crate::load): sinks know outputs only"]);
}

#[test]
fn the_crates_of_this_repository_can_be_read() {
    let root = crate::root();
    let crates = crates(&root).unwrap();
    assert!(crates.iter().any(|folder| folder == AGENT) && crates.len() > 5, "{crates:?}");
    for folder in &crates {
        Modules::read(&root.join(folder).join("src")).unwrap();
    }
}

#[test]
fn known_edges_of_the_agent_are_found() {
    let agent = Modules::read(&crate::root().join(AGENT).join("src")).unwrap();
    let graph = agent.graph(|_, _| true);
    let path =
        |from: &str, to: &str| graph.all().find(|edge| (edge.0, edge.1) == (from, to)).map(|edge| edge.2);
    assert_eq!(path("probes/drain.rs", "probes/batch.rs"), Some("crate::probes::batch::Batches"));
    // This one stands in an attribute only.
    assert_eq!(path("config.rs", "duration.rs"), Some("duration::compact"));
}
