use super::*;

const NO_BPFFS: &str = "is not on a bpffs";

#[test]
fn a_directory_elsewhere_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let error = bpffs::check(&dir.path().join("not/made/yet")).unwrap_err().to_string();
    assert!(error.contains(NO_BPFFS) && error.contains("mount -t bpf"), "{error}");
}

#[test]
fn a_tree_is_removed_with_everything_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("ns-1");
    fs::create_dir_all(root.join("links")).unwrap();
    for file in ["links/7-ingress", "links/7-egress", "map"] {
        fs::write(root.join(file), "").unwrap();
    }
    assert_eq!(remove_tree(&root).unwrap().pins, 3);
    assert!(!root.exists());
    assert_eq!(remove_tree(&root).unwrap(), Removed::default(), "a second time there is nothing");
}

#[test]
fn the_version_follows_from_shapes_and_sizes() {
    let settings = Settings::default();
    let version = |settings: &Settings| abi::version(crate::probes::load::OBJECT, settings).unwrap();
    assert_eq!(version(&settings), version(&settings.clone()));
    let larger = Settings { pair_entries: 2 * settings.pair_entries, ..settings.clone() };
    assert_ne!(version(&settings), version(&larger));
}
