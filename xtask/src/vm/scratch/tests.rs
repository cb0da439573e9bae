use super::*;

#[test]
fn sweeps_what_dead_runs_left() {
    let parent = std::env::temp_dir().join(format!("xtask-vm-scratch-{}", std::process::id()));
    // Process numbers end at 2^22.
    let (dead, living) = (parent.join("run-4294967295"), parent.join("run-1"));
    fs::create_dir_all(&dead).unwrap();
    fs::create_dir_all(&living).unwrap();
    let scratch = Scratch::new(&parent).unwrap();
    assert!(!dead.exists() && living.exists() && scratch.dir().exists());
    let own = scratch.dir().to_owned();
    drop(scratch);
    assert!(!own.exists());
    fs::remove_dir_all(parent).unwrap();
}
