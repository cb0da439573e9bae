use super::*;

#[test]
fn a_directory_that_could_not_be_filled_does_not_exist() {
    let root = std::env::temp_dir().join(format!("xtask-cache-{}", std::process::id()));
    let cache = Cache { root: root.clone() };
    assert!(cache.dir("a", |_| anyhow::bail!("no")).is_err());
    assert!(!cache.path("a").exists());
    cache.dir("a", |dir| Ok(fs::write(dir.join("f"), "1")?)).unwrap();
    let again = cache.dir("a", |_| anyhow::bail!("filled twice")).unwrap();
    assert_eq!(fs::read_to_string(again.join("f")).unwrap(), "1");
    fs::remove_dir_all(root).unwrap();
}
