use serde_json::json;

use super::*;

/// Returns the problems of a workspace with these dependencies: who, on what, of which kind.
fn found(dependencies: &[(&str, &str, Option<&str>)]) -> Vec<String> {
    let members: Vec<_> = FLOORS.iter().map(|floor| floor.package).collect();
    among(&members, dependencies)
}

fn among(members: &[&str], dependencies: &[(&str, &str, Option<&str>)]) -> Vec<String> {
    let all: BTreeSet<_> =
        members.iter().copied().chain(dependencies.iter().flat_map(|(from, to, _)| [*from, *to])).collect();
    let source = |name: &str| (!FLOORS.iter().any(|floor| floor.package == name)).then_some("registry");
    let packages: Vec<_> =
        all.iter().map(|name| json!({ "id": name, "name": name, "source": source(name) })).collect();
    let deps = |name: &str| -> Vec<Value> {
        let own = dependencies.iter().filter(|(from, ..)| *from == name);
        own.map(|(_, to, kind)| json!({ "pkg": to, "dep_kinds": [{ "kind": kind }] })).collect()
    };
    let nodes: Vec<_> = all.iter().map(|name| json!({ "id": name, "deps": deps(name) })).collect();
    let metadata =
        json!({ "packages": packages, "workspace_members": members, "resolve": { "nodes": nodes } });
    problems(&Packages::read(&metadata).unwrap())
}

#[test]
fn a_floor_uses_only_those_below_it() {
    assert_eq!(found(&[("flow-core", "flow-policy", None), ("flow-policy", "flow-model", None)]), [""; 0]);
    assert_eq!(
        found(&[("flow-policy", "flow-core", None)]),
        ["flow-policy uses flow-core, which is not below it"]
    );
    assert_eq!(found(&[("flow-model", "observer", None)]).len(), 1);
}

#[test]
fn runtimes_are_found_behind_other_packages() {
    let problems = found(&[("flow-objects", "between", Some("build")), ("between", "tokio", None)]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("flow-objects depends on tokio"), "{problems:?}");
    assert_eq!(found(&[("flow-objects", "k8s-openapi", None)]), [""; 0]);
    assert_eq!(found(&[("flow-core", "k8s-openapi", None)]).len(), 1);
}

#[test]
fn tests_may_use_more() {
    assert_eq!(
        found(&[("flow-objects", "flow-policy", Some("dev")), ("flow-model", "tokio", Some("dev"))]),
        [""; 0]
    );
}

#[test]
fn every_package_has_a_floor() {
    assert_eq!(among(&["flow-core", "flow-new"], &[]), ["flow-new has no floor in xtask/src/tidy/floors.rs"]);
}

#[test]
fn another_workspace_may_use_only_what_its_floor_names() {
    assert_eq!(among(&["fuzz"], &[("fuzz", "flow-core", None), ("fuzz", "libfuzzer-sys", None)]), [""; 0]);
    assert_eq!(among(&["fuzz"], &[("fuzz", "observer", None), ("observer", "tokio", None)]).len(), 2);
}
