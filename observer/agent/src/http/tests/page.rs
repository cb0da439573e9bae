//! The page for this node: who gets it, and what a browser is told about it.

use crate::http::tests::access::Guarded;
use crate::http::tests::client::Agent;

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

#[tokio::test]
async fn a_browser_gets_the_page_and_others_the_list() {
    let agent = Agent::start().await;
    let page = agent.get("/", &[BROWSER]).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.body.contains("/ui/app.js"), "{}", page.body);
    let list = agent.get("/", &[]).await;
    assert_eq!((list.header("content-type"), list.header("vary")), ("text/plain; charset=utf-8", "accept"));
    assert_eq!(page.header("vary"), "accept");
    for (name, content_type) in [
        ("app.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let file = agent.get(&format!("/ui/{name}"), &[]).await;
        assert_eq!((file.status, file.header("content-type")), (200, content_type), "{name}");
    }
    assert_eq!(agent.get("/ui/..%2f..%2fCargo.toml", &[]).await.status, 404);
}

/// The page alone may run a script, and only its own. The rest of the API may run none, as before.
#[tokio::test]
async fn the_page_is_confined() {
    let agent = Agent::start().await;
    for path in ["/", "/ui/app.js"] {
        let answer = agent.get(path, &[BROWSER]).await;
        let policy = answer.header("content-security-policy");
        for part in
            ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
    for path in ["/api/v1/findings", "/runbooks/README", "/readyz"] {
        let answer = agent.get(path, &[BROWSER]).await;
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_browser_asks_whether_its_copy_is_still_good() {
    let agent = Agent::start().await;
    let tag = agent.get("/ui/app.js", &[]).await.header("etag").to_owned();
    let again = agent.get("/ui/app.js", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(again.header("etag"), tag);
    assert_eq!(agent.get("/ui/app.js", &[("if-none-match", "\"other\"")]).await.status, 200);
}

/// The page says itself that a token is needed, so it opens without one; what it asks for does not.
#[tokio::test]
async fn the_page_opens_without_a_token_but_knows_nothing_then() {
    let guarded = Guarded::start().await;
    for path in ["/", "/ui/app.js", "/ui/style.css"] {
        assert_eq!(guarded.agent.get(path, &[BROWSER]).await.status, 200, "{path}");
    }
    assert_eq!(guarded.agent.get("/api/v1/findings", &[]).await.status, 401);
    let page = guarded.agent.get("/", &[BROWSER]).await.body;
    assert!(!page.contains("node1"), "the same in every cluster: {page}");
}
