use super::*;

#[test]
fn the_end_of_a_failed_build_is_kept() {
    let text: String = (0..100).map(|n| format!("k8s.io/p{n}\n")).collect();
    let last = follow("x", format!("{text}x.go:1: broken\n").as_bytes());
    assert_eq!((last.len(), last.back().map(String::as_str)), (SHOWN, Some("x.go:1: broken")));
    assert!(is_package("k8s.io/api/core/v1") && !is_package("# k8s.io/api") && !is_package("x.go:1: no"));
}
