use super::*;

#[test]
fn processes_are_told_apart_by_their_start() {
    let ours = std::process::id();
    assert!(is_alive(ours));
    assert!(identity(ours).starts_with(&format!("{ours} ")));
    assert!(started(ours).is_some_and(|start| start.parse::<u64>().is_ok()));
    assert_eq!(started(u32::MAX), None);
}
