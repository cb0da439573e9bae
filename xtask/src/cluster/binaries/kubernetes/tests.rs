use super::*;

#[test]
fn versions_from_the_oldest_on() {
    assert_eq!(version("v1.34.4").as_deref(), Ok("1.34.4"));
    assert_eq!(version("1.30.14").as_deref(), Ok("1.30.14"));
    for bad in ["1.30.13", "1.34", "1.34.4.1", "latest", ""] {
        assert!(version(bad).is_err(), "{bad}");
    }
}

#[test]
fn staging_modules_are_named() {
    let upstream =
        "module k8s.io/kubernetes\n\ngo 1.24.6\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n)\n";
    let module = go_module("1.34.4", upstream);
    assert!(module.contains("go 1.24.6") && module.contains("k8s.io/api => k8s.io/api v0.34.4"), "{module}");
}
