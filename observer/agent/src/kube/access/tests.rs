use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;

use super::*;

/// Starts an API server that answers with its name only.
async fn server(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let version = move || async move { Json(json!({ "name": name })) };
    let router = Router::new().route("/version", get(version));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn kubeconfig(path: &Path, server: &str) {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    });
    std::fs::write(path, config.to_string()).unwrap();
}

async fn who(client: Client) -> String {
    let request = http::Request::get("/version").body(Vec::new()).unwrap();
    client.request::<serde_json::Value>(request).await.unwrap()["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_renewal_is_seen_by_all_clones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    kubeconfig(&path, &server("old").await);
    let access = ApiAccess::new(Some(&path)).await.unwrap();
    let other = access.clone();
    kubeconfig(&path, &server("new").await);
    access.renew().await;
    assert_eq!(who(other.client()).await, "old", "it was made just now");
    access.0.lock().at -= PAUSE;
    access.renew().await;
    assert_eq!(who(other.client()).await, "new");
    std::fs::write(&path, "{").unwrap();
    access.0.lock().at -= PAUSE;
    access.renew().await;
    assert_eq!(who(access.client()).await, "new", "a file that can't be used changes nothing");
}
