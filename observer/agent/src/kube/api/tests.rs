use super::*;

#[tokio::test]
async fn a_kubeconfig_that_cant_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in [("garbled", Some("}{")), ("empty", Some("")), ("missing", None)] {
        let path = dir.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let Err(error) = client(Some(&path)).await else { panic!("{name} is no kubeconfig") };
        let text = format!("{:#}", anyhow::Error::from(error));
        assert_eq!(text.matches(name).count(), 1, "{text}");
        let causes: std::collections::BTreeSet<_> = text.split(": ").collect();
        assert_eq!(causes.len(), text.split(": ").count(), "a cause stands twice: {text}");
    }
}
