use super::*;

#[test]
fn staged_packages_are_vendored_ones() {
    assert_eq!(package("pkg/apis/core"), "k8s.io/kubernetes/pkg/apis/core");
    assert_eq!(package("staging/src/k8s.io/api/core/v1"), "k8s.io/kubernetes/vendor/k8s.io/api/core/v1");
}

#[test]
fn marked_files_are_found_and_examples_are_not() {
    let root = std::env::temp_dir().join(format!("xtask-openapi-{}", std::process::id()));
    for tree in TREES {
        fs::create_dir_all(root.join(tree)).unwrap();
    }
    let marked = format!("// {MARK}true\npackage x\n");
    for (file, text) in [
        ("pkg/a/types.go", marked.as_str()),
        ("pkg/b/types.go", "package x"),
        ("pkg/c/types_test.go", &marked),
        ("staging/src/k8s.io/api/core/v1/doc.go", &marked),
        ("staging/src/k8s.io/sample-controller/doc.go", &marked),
    ] {
        fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        fs::write(root.join(file), text).unwrap();
    }
    let found = packages(&root).unwrap();
    assert_eq!(found, ["k8s.io/kubernetes/pkg/a", "k8s.io/kubernetes/vendor/k8s.io/api/core/v1"]);
    fs::remove_dir_all(root).unwrap();
}
