use super::*;
use tempfile::TempDir;

fn state(dir: &TempDir, node: &str) -> StateDir {
    StateDir::open(&dir.path().join("state"), node.into()).unwrap()
}

#[test]
fn what_was_written_is_read() {
    let dir = TempDir::new().unwrap();
    let state = state(&dir, "node1");
    assert_eq!(state.read::<Vec<u64>>(StateFile::Counts), None);
    state.write(StateFile::Counts, &vec![1u64, 2]).unwrap();
    state.write(StateFile::Counts, &vec![3u64]).unwrap();
    assert_eq!(state.read::<Vec<u64>>(StateFile::Counts), Some(vec![3]));
    assert_eq!(state.read::<Vec<u64>>(StateFile::Findings), None);
}

#[test]
fn a_file_that_is_torn_or_of_another_node_or_version_is_ignored() {
    let dir = TempDir::new().unwrap();
    let own = state(&dir, "node1");
    own.write(StateFile::Counts, &7).unwrap();
    assert_eq!(state(&dir, "node2").read::<u64>(StateFile::Counts), None, "of another node");
    assert_eq!(own.read::<Vec<String>>(StateFile::Counts), None, "of another type");
    let path = own.path(StateFile::Counts);
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(own.read::<u64>(StateFile::Counts), None, "torn");
    let newer = r#"{"version":2,"node":"node1","content":7}"#;
    fs::write(&path, sealed::seal(newer)).unwrap();
    assert_eq!(own.read::<u64>(StateFile::Counts), None, "of another version");
    fs::write(&path, sealed::seal(&newer.replace("\"version\":2", "\"version\":1"))).unwrap();
    assert_eq!(own.read::<u64>(StateFile::Counts), Some(7));
}

#[test]
fn everything_is_removed() {
    let dir = TempDir::new().unwrap();
    let state = state(&dir, "node1");
    state.write(StateFile::Counts, &7).unwrap();
    fs::write(state.journal(), "").unwrap();
    assert_eq!(remove_all(&state.dir).unwrap(), 2);
    assert!(!state.dir.exists());
    assert_eq!(remove_all(&state.dir).unwrap(), 0);
}
