use anyhow::anyhow;

use super::*;

#[test]
fn the_first_error_counts() {
    assert!(first([Ok(()), Ok(()), Ok(())]).is_ok());
    let error = first([Ok(()), Err(anyhow!("logs")), Err(anyhow!("down"))]).unwrap_err();
    assert_eq!(error.to_string(), "logs");
}

#[test]
fn logs_are_kept_by_cluster_and_node_without_those_of_an_earlier_run() {
    let root = std::env::temp_dir().join(format!("xtask-finish-{}", std::process::id()));
    let place = Place::below(&root.join("clusters"), "a");
    let kept = root.join("target/cluster-logs/a");
    fs::create_dir_all(kept.join("n9")).unwrap();
    fs::create_dir_all(place.node_dir("n1")).unwrap();
    fs::write(place.node_dir("n1").join("kubelet.log"), "1").unwrap();
    fs::write(place.node_dir("n1").join("kubelet.yaml"), "2").unwrap();
    fs::write(place.dir().join("api-forward.log"), "3").unwrap();
    keep_logs(&root, &place).unwrap();
    assert!(kept.join("n1/kubelet.log").exists() && kept.join("api-forward.log").exists());
    assert!(!kept.join("n1/kubelet.yaml").exists() && !kept.join("n9").exists());
    fs::remove_dir_all(root).unwrap();
}
