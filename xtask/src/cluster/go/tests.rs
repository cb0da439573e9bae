use super::*;

#[test]
fn go_must_be_recent_enough() {
    assert!(need_version(Some("go1.26.8\n")).is_ok());
    assert!(need_version(Some("go2.0")).is_ok());
    for old in ["go1.19.8", "go1.25", "devel"] {
        let error = need_version(Some(old)).unwrap_err().to_string();
        assert!(error.contains("1.26") && error.contains("go.dev"), "{error}");
    }
    assert!(need_version(None).unwrap_err().to_string().contains("no Go"));
}
