//! Tests of what reaches the log.

use std::sync::Arc;

use crate::http::Settings;
use crate::http::auth::{Auth, TokenFile};
use crate::http::testing::Log;
use crate::http::tests::client::Agent;

#[tokio::test]
async fn tokens_stay_out_of_the_log() {
    let log = Log::capture();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    std::fs::write(&path, "s3cret-right\ns3cret with spaces\n").unwrap();
    let auth = Auth::Token(Arc::new(TokenFile::load(&path).unwrap()));
    let agent = Agent::set(Settings { auth, ..Settings::default() }).await;
    for (header, status) in [
        ("Bearer s3cret-right", 200),
        ("Bearer s3cret-wrong", 401),
        ("Basic s3cret-basic", 401),
        ("s3cret-garbled, \u{e4}", 401),
    ] {
        assert_eq!(agent.get("/api/v1/pairs", &[("authorization", header)]).await.status, status);
    }
    let text = log.text();
    assert!(text.contains("not answered"), "the log is captured: {text}");
    assert!(text.contains("line=2"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}
