//! Changes while the agent runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow_model::inventory::Inventory;
use flow_objects::read::Files;
use tempfile::TempDir;
use tokio::sync::watch::{self, Receiver};
use tokio_util::sync::CancellationToken;

use super::spawn;

type Updates = Receiver<Arc<Inventory>>;

/// Waits until the inventory's pods are these; the longest of the source's own waits is 2 s.
async fn until(updates: &mut Updates, expect: &[&str]) {
    let wait = updates.wait_for(|inventory| names(inventory) == expect);
    let result = tokio::time::timeout(Duration::from_secs(20), wait).await.map(|r| r.map(drop));
    assert!(matches!(result, Ok(Ok(()))), "{expect:?} never came, but {:?}", names(&updates.borrow()));
}

fn follow(path: &Path) -> (Updates, CancellationToken, tokio::task::JoinHandle<()>) {
    let (tx, rx) = watch::channel(Arc::default());
    let cancel = CancellationToken::new();
    let (loaded, task) = spawn(path, tx, cancel.clone()).unwrap();
    let task = tokio::spawn(task);
    assert_eq!(*rx.borrow(), loaded.inventory);
    (rx, cancel, task)
}

#[tokio::test]
async fn files_appear_change_and_disappear() {
    let dir = directory(&[("a.yaml", &mk_pod("a", "10.0.0.1"))]);
    let (mut updates, cancel, task) = follow(dir.path());
    until(&mut updates, &["a"]).await;

    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/b.yaml"), mk_pod("b", "10.0.0.2")).unwrap();
    until(&mut updates, &["a", "b"]).await;

    fs::write(dir.path().join("new"), mk_pod("c", "10.0.0.3")).unwrap();
    fs::rename(dir.path().join("new"), dir.path().join("a.yaml")).unwrap();
    until(&mut updates, &["b", "c"]).await;

    fs::remove_file(dir.path().join("sub/b.yaml")).unwrap();
    until(&mut updates, &["c"]).await;

    cancel.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_config_map_is_swapped() {
    let dir =
        directory(&[("..1/a.yaml", &mk_pod("a", "10.0.0.1")), ("..2/a.yaml", &mk_pod("b", "10.0.0.1"))]);
    symlink("..1", dir.path().join("..data")).unwrap();
    symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
    let (mut of_dir, ..) = follow(dir.path());
    let (mut of_file, ..) = follow(&dir.path().join("a.yaml"));
    until(&mut of_dir, &["a"]).await;
    symlink("..2", dir.path().join("..data_tmp")).unwrap();
    fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    until(&mut of_dir, &["b"]).await;
    until(&mut of_file, &["b"]).await;
}

#[tokio::test]
async fn a_directory_is_replaced() {
    let parent = directory(&[("cluster/a.yaml", &mk_pod("a", "10.0.0.1"))]);
    let path = parent.path().join("cluster");
    let (mut updates, ..) = follow(&path);
    until(&mut updates, &["a"]).await;
    fs::remove_dir_all(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("b.yaml"), mk_pod("b", "10.0.0.1")).unwrap();
    until(&mut updates, &["b"]).await;
    // The new directory is watched too.
    fs::write(path.join("c.yaml"), mk_pod("c", "10.0.0.1")).unwrap();
    until(&mut updates, &["b", "c"]).await;
}

#[tokio::test]
async fn a_file_being_written_is_read_once_it_is_closed() {
    use std::io::Write as _;
    let dir = directory(&[("a.yaml", &mk_pod("a", "10.0.0.1"))]);
    let (mut updates, ..) = follow(dir.path());
    updates.mark_unchanged();
    let mut file = fs::File::create(dir.path().join("a.yaml")).unwrap();
    file.write_all(format!("{}---\n", mk_pod("b", "10.0.0.1")).as_bytes()).unwrap();
    // This is longer than a writer's pause that ends a change, and shorter than the longest wait for an open file: nothing may
    // be published in between.
    let early = tokio::time::timeout(Duration::from_millis(400), updates.changed()).await;
    assert!(early.is_err(), "half of the file was read: {:?}", names(&updates.borrow()));
    file.write_all(mk_pod("c", "10.0.0.2").as_bytes()).unwrap();
    drop(file);
    until(&mut updates, &["b", "c"]).await;
}

#[tokio::test]
async fn only_differing_inventories_are_published() {
    let dir = directory(&[("a.yaml", &mk_pod("a", "10.0.0.1"))]);
    let (mut updates, ..) = follow(dir.path());
    updates.mark_unchanged();
    fs::write(dir.path().join("a.yaml"), format!("# a comment\n{}", mk_pod("a", "10.0.0.1"))).unwrap();
    fs::write(dir.path().join("b.yaml"), mk_pod("b", "10.0.0.2")).unwrap();
    until(&mut updates, &["a", "b"]).await;
    updates.mark_unchanged();
    let before = Arc::clone(&updates.borrow());
    let mut index = flow_objects::Index::default();
    let files = Files::open(dir.path()).unwrap();
    index.replace(files.objects().cloned());
    assert_eq!(index.publish().as_deref(), Some(&*before));
    index.replace(files.objects().cloned());
    assert_eq!(index.publish(), None);
}

fn pods(files: &Files) -> Vec<String> {
    files.objects().map(|object| object.id.object.name.to_string()).collect()
}

#[test]
fn a_damaged_file_keeps_its_objects_for_a_while() {
    let dir =
        directory(&[("x.yaml", &format!("{}---\n{}", mk_pod("a", "10.0.0.1"), mk_pod("b", "10.0.0.2")))]);
    let path = dir.path().join("x.yaml");
    let start = Instant::now();
    let mut files = Files::open(dir.path()).unwrap();

    fs::write(&path, format!("{}---\nkind: [\n", mk_pod("c", "10.0.0.3"))).unwrap();
    assert!(files.refresh(start));
    assert_eq!(pods(&files), ["c", "a", "b"]);
    assert_eq!(files.problems().count(), 2);

    // Still damaged, and damaged in another way: the grace isn't renewed.
    fs::write(&path, "").unwrap();
    assert!(files.refresh(start + Duration::from_secs(20)));
    assert_eq!(pods(&files), ["c", "a", "b"]);
    assert!(!files.refresh(start + Duration::from_secs(25)));
    assert!(files.refresh(start + Duration::from_secs(31)));
    assert_eq!(pods(&files), Vec::<String>::new());
    assert!(!files.refresh(start + Duration::from_secs(99)));
}

#[test]
fn a_file_that_is_repaired_or_removed_keeps_nothing() {
    let dir = directory(&[("x.yaml", &mk_pod("a", "10.0.0.1")), ("y.yaml", &mk_pod("q", "10.0.0.9"))]);
    let path = dir.path().join("x.yaml");
    let start = Instant::now();
    let mut files = Files::open(dir.path()).unwrap();
    fs::write(&path, "kind: [").unwrap();
    files.refresh(start);
    assert_eq!(pods(&files), ["a", "q"]);
    fs::write(&path, mk_pod("b", "10.0.0.1")).unwrap();
    files.refresh(start);
    assert_eq!((pods(&files), files.problems().count()), (vec!["b".into(), "q".into()], 0));
    fs::remove_file(&path).unwrap();
    assert!(files.refresh(start));
    assert_eq!(pods(&files), ["q"]);
}

#[test]
fn a_directory_that_is_missing_keeps_everything() {
    let dir = directory(&[("d/x.yaml", &mk_pod("a", "10.0.0.1"))]);
    let mut files = Files::open(&dir.path().join("d")).unwrap();
    fs::remove_dir_all(dir.path().join("d")).unwrap();
    assert!(files.refresh(Instant::now()));
    assert_eq!((pods(&files), files.problems().count()), (vec!["a".into()], 1));
    assert!(!files.refresh(Instant::now()));
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// A running pod in one line.
fn mk_pod(name: &str, ip: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{namespace: web, name: {name}, uid: u-{name}, labels: {{app: web}}}}, \
         status: {{phase: Running, podIP: {ip}}}}}\n"
    )
}

fn names(inventory: &Inventory) -> Vec<&str> {
    inventory.pods.iter().map(|pod| &*pod.name).collect()
}
