use super::*;

fn metadata() -> Metadata {
    let package =
        |name: &str, license: &str| json!({"id": name, "name": name, "version": "1.0.0", "license": license});
    let uses = |name: &str, kinds: &[Option<&str>]| {
        let kinds: Vec<Value> = kinds.iter().map(|kind| json!({"kind": kind})).collect();
        json!({"pkg": name, "dep_kinds": kinds})
    };
    let value = json!({
        "packages": [package("observer", "MIT"), package("linked", "MIT/Apache-2.0"), package("deep", "ISC"),
            package("tests-only", "MIT"), package("builds-only", "MIT")],
        "resolve": {"nodes": [
            {"id": "observer", "deps": [uses("linked", &[None, Some("dev")]), uses("tests-only", &[Some("dev")]),
                uses("builds-only", &[Some("build")])]},
            {"id": "linked", "deps": [uses("deep", &[None])]},
            {"id": "deep", "deps": []}, {"id": "tests-only", "deps": []}, {"id": "builds-only", "deps": []},
        ]},
    });
    serde_json::from_value(value).unwrap()
}

#[test]
fn it_has_what_is_linked_and_nothing_else() {
    let linked = reachable(&metadata(), "observer").unwrap();
    let bill = document(&linked, &[], b"program");
    let names: Vec<&str> =
        bill["components"].as_array().unwrap().iter().filter_map(|part| part["name"].as_str()).collect();
    assert_eq!(names, ["deep", "linked", "observer"]);
    assert_eq!(bill["components"][1]["licenses"], json!([{"expression": "MIT OR Apache-2.0"}]));
    assert!(reachable(&metadata(), "nobody").is_err());
}

#[test]
fn every_reference_is_to_a_part() {
    let system = [json!({"bom-ref": "pkg:deb/debian/libc6-dev@2"})];
    let bill = document(&reachable(&metadata(), "observer").unwrap(), &system, b"program");
    let part = |part: &Value| part["bom-ref"].as_str().unwrap().to_owned();
    let mut parts: BTreeSet<String> = bill["components"].as_array().unwrap().iter().map(part).collect();
    parts.insert(part(&bill["metadata"]["component"]));
    let dependencies = bill["dependencies"].as_array().unwrap();
    assert_eq!(
        dependencies[0]["dependsOn"],
        json!(["pkg:cargo/observer@1.0.0", "pkg:deb/debian/libc6-dev@2"])
    );
    for dependency in dependencies {
        assert!(parts.contains(dependency["ref"].as_str().unwrap()), "{dependency}");
        for used in dependency["dependsOn"].as_array().unwrap() {
            assert!(parts.contains(used.as_str().unwrap()), "{dependency}");
        }
    }
    let hash = &bill["metadata"]["component"]["hashes"][0]["content"];
    assert_eq!(hash.as_str().unwrap().len(), 64);
}

#[test]
fn what_is_bundled_into_the_page_is_a_part_and_what_builds_it_is_none() {
    let lock = include_str!("../../../../observer/agent/ui/package-lock.json");
    let parts = page(&serde_json::from_str(lock).unwrap());
    let names: Vec<&str> = parts.iter().filter_map(|part| part["name"].as_str()).collect();
    assert_eq!(names, ["@preact/signals", "@preact/signals-core", "preact"]);
    let url = parts[0]["purl"].as_str().unwrap();
    assert!(url.starts_with("pkg:npm/%40preact/signals@"), "{url}");
    assert_eq!(parts[2]["licenses"], json!([{"expression": "MIT"}]));
}
