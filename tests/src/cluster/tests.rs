use super::*;

#[test]
fn owners_need_a_hash() {
    assert_eq!(owners("pal-e-docs-6b55489545-v4jvv"), Some(("pal-e-docs", "pal-e-docs-6b55489545")));
    assert_eq!(owners("pal-e-postgres-1"), None);
}

#[test]
fn objects_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::new(dir.path()).unwrap();
    cluster.namespace("web").unwrap();
    let path = cluster.dir().join("namespace__web.yaml");
    assert!(fs::read_to_string(&path).unwrap().contains("kind: Namespace"));
    cluster.delete("Namespace", "", "web").unwrap();
    assert!(!path.exists() && cluster.delete("Namespace", "", "web").is_err());
}
