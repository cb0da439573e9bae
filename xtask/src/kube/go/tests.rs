use super::*;

#[test]
fn the_end_of_a_build_is_kept() {
    let text: String = (0..100).map(|n| format!("k8s.io/p{n}\n")).collect::<String>() + "x.go:1: broken\n";
    let tail = follow("x", text.as_bytes());
    assert_eq!((tail.len(), tail.back().map(String::as_str)), (SHOWN, Some("x.go:1: broken")));
    assert!(is_package("k8s.io/api/core/v1") && !is_package("# k8s.io/api") && !is_package("x.go:1: no"));
}
