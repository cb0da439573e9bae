//! Arguments, files and exit codes.

use std::path::Path;

use super::*;

async fn command(arguments: &[&str], stdin: &str) -> Result<(ExitCode, String), String> {
    let args =
        Cli::try_parse_from(["audit"].iter().chain(arguments)).map_err(|error| error.to_string())?.audit;
    let mut out = Vec::new();
    let code =
        run_with(&args, &mut stdin.as_bytes(), &mut out).await.map_err(|error| format!("{error:#}"))?;
    Ok((code, String::from_utf8(out).unwrap()))
}

fn clean() -> String {
    policy("a", "p", "{podSelector: {}}")
}

fn bad() -> String {
    policy("a", "p", "{podSelector: {}, ingress: [{}, {}]}")
}

fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn exit_codes() {
    let (code, text) = command(&["--manifests", "-"], &clean()).await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(text.contains("Nothing found in 1 policy. No flows were judged"), "{text}");
    let (code, _) = command(&["--manifests", "-", "-o", "json"], &bad()).await.unwrap();
    assert_eq!(code, ExitCode::from(1));
    let ignored =
        bad().replace("name: p,", "name: p, annotations: {flow-observer.io/audit-ignore: why not},");
    let (code, text) = command(&["--manifests", "-"], &ignored).await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(text.contains("why not"), "{text}");
}

#[tokio::test]
async fn nothing_is_green_that_was_not_judged() {
    let foreign = clean()
        + "---\n{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: c, namespace: a}, spec: {endpointSelector: {}}}\n";
    let unreadable = clean() + "---\nkind: [\n";
    let unplaced = clean().replace(", namespace: a", "");
    let allowed = ["--manifests", "-", "--allow-unjudged"];
    for (text, code, part) in [
        (foreign, 2, "CiliumNetworkPolicy a/c"),
        (unreadable, 1, "not valid YAML"),
        (unplaced.clone(), 2, "1 object without namespace"),
    ] {
        let (found, out) = command(&allowed[..2], &text).await.unwrap();
        assert_eq!(found, ExitCode::from(code), "{out}");
        assert!(out.contains("Not judged:") && out.contains(part) && !out.contains("Nothing found"), "{out}");
        let (found, out) = command(&allowed, &text).await.unwrap();
        assert_eq!(found, ExitCode::SUCCESS, "{out}");
        assert!(out.contains(part), "{out}");
        for format in ["json", "sarif", "github", "gitlab"] {
            let (_, out) = command(&["--manifests", "-", "-o", format], &text).await.unwrap();
            assert!(out.contains(part), "{format}: {out}");
        }
    }
    let (found, _) = command(&["--manifests", "-", "--namespace", "a"], &unplaced).await.unwrap();
    assert_eq!(found, ExitCode::SUCCESS);
}

#[tokio::test]
async fn nothing_is_green_while_the_verdict_on_a_flow_is_unknown() {
    let pods = [pod("web", "shop", "10.42.0.5", &json!({})), pod("db", "pg", "10.42.0.6", &json!({}))];
    let mut gone = end(&pods[0]);
    (gone["pod"], gone["workload"], gone["labels"]) = (json!("job-1"), json!("job"), Value::Null);
    let seen = snapshot(&pods, json!([]), &[flow(&gone, &end(&pods[1]), 5432)]);
    let directory = tempfile::tempdir().unwrap();
    let flows = write(directory.path(), "flows.json", &seen.to_string());
    let admits = policy(
        "db",
        "p",
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}]}]}",
    );
    let text = format!("{admits}{}", deployment("web", "shop", "a: b", ""));
    let arguments = ["--manifests", "-", "--flows", &flows, "--allow-unjudged"];
    let (code, out) = command(&arguments[..4], &text).await.unwrap();
    assert_eq!(code, ExitCode::from(2), "{out}");
    assert!(out.contains("No finding, but not everything was judged"), "{out}");
    assert_eq!(command(&arguments, &text).await.unwrap().0, ExitCode::SUCCESS);
    for format in ["json", "sarif", "github", "gitlab"] {
        let (_, out) = command(&[&arguments[..4], &["-o", format]].concat(), &text).await.unwrap();
        assert!(out.contains("web/job") || out.contains("\"job\""), "{format}: {out}");
    }
}

#[tokio::test]
async fn usage() {
    let error = command(&[], "").await.unwrap_err();
    assert!(error.contains("--manifests") && error.contains("--plan"), "{error}");
    let error = command(&["--manifests", "-", "--flows", "f", "--url", "http://x"], "").await.unwrap_err();
    assert!(error.contains("cannot be used with"), "{error}");
    let error = command(&["--manifests", "-", "--plan", "-"], "").await.unwrap_err();
    assert!(error.contains("standard input can be read once"), "{error}");
}

#[tokio::test]
async fn errors_about_missing_files_name_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let broken = write(directory.path(), "flows.json", "[]");
    let missing = format!("{path}/missing");
    for (arguments, part) in [
        (vec!["--manifests", &missing], "does not exist; name a directory"),
        (vec!["--manifests", "-"], "holds no Kubernetes objects; pipe"),
        (vec!["--plan", &missing], "tofu show -json"),
        (vec!["--plan", "-"], "it is not JSON"),
        (vec!["--manifests", path], "holds no Kubernetes objects in .yaml"),
    ] {
        std::fs::remove_file(&broken).ok();
        let error = command(&arguments, "").await.unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let broken = write(directory.path(), "flows.json", "[]");
    for (file, part) in [(&missing, "curl http://NODE:9477/api/v1/snapshot"), (&broken, "holds no flows as")]
    {
        let error = command(&["--manifests", "-", "--flows", file], &clean()).await.unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn files_are_named_with_their_lines() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "a.yaml", &format!("{}{}", clean().replace("name: p", "name: q"), bad()));
    let (_, text) =
        command(&["--manifests", directory.path().to_str().unwrap(), "-o", "json"], "").await.unwrap();
    let read: Value = serde_json::from_str(&text).unwrap();
    let finding = &read["findings"][0];
    assert!(finding["file"].as_str().unwrap().ends_with("/a.yaml"), "{finding}");
    assert_eq!(finding["line"], 7);
}

#[tokio::test]
async fn flows_come_from_an_agent_too() {
    let pods = [pod("web", "shop", "10.42.0.5", &json!({})), pod("a", "pg", "10.42.0.6", &json!({}))];
    let seen = snapshot(&pods, json!([]), &[flow(&end(&pods[0]), &end(&pods[1]), 5432)]);
    let answer = axum::Json(seen);
    let router =
        axum::Router::new().route("/api/v1/snapshot", axum::routing::get(async move || answer.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let (code, text) = command(&["--manifests", "-", "--url", &url], &clean()).await.unwrap();
    assert_eq!(code, ExitCode::from(1));
    assert!(text.contains("1 flow judged: 0 allowed, 1 refused, 0 unknown."), "{text}");
    let error =
        command(&["--manifests", "-", "--url", &format!("{url}/elsewhere")], &clean()).await.unwrap_err();
    assert!(error.contains("404"), "{error}");
    server.abort();
}

/// Serves a snapshot as the agent of `node` in a cluster of three nodes does.
async fn agent_of(node: &str, flows: &[Value]) -> String {
    let pods = [pod("web", "shop", "10.42.0.5", &json!({})), pod("a", "pg", "10.42.0.6", &json!({}))];
    let mut seen = snapshot(&pods, json!([]), flows);
    seen["node"] = json!(node);
    seen["inventory"]["nodes"] = ["n1", "n2", "n3"]
        .map(|name| json!({"name": name, "labels": {}, "ips": [], "pod_cidrs": []}))
        .into_iter()
        .collect();
    let answer = axum::Json(seen);
    let router =
        axum::Router::new().route("/api/v1/snapshot", axum::routing::get(async move || answer.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// The change breaks a client on another node than the one that was asked: no look at one node is green.
#[tokio::test]
async fn the_flows_of_a_part_of_the_nodes_are_not_everything() {
    let flows = {
        let (shop, pg) =
            (pod("web", "shop", "10.42.0.5", &json!({})), pod("a", "pg", "10.42.0.6", &json!({})));
        [flow(&end(&shop), &end(&pg), 5432)]
    };
    let [one, two, three] =
        [agent_of("n1", &[]).await, agent_of("n2", &flows).await, agent_of("n3", &[]).await];
    let clean = policy("a", "p", "{podSelector: {}, ingress: [{}]}");
    let (code, out) = command(&["--manifests", "-", "--url", &one], &clean).await.unwrap();
    assert_eq!(code, ExitCode::from(2), "{out}");
    for part in ["Not judged:", "only the flows of 1 of 3 nodes are judged", "0 flows of 1 of 3 nodes judged"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, _) = command(&["--manifests", "-", "--url", &one, "--allow-unjudged"], &clean).await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    let arguments = ["--manifests", "-", "--url", &one, "--url", &two, "-o", "json"];
    let (code, out) = command(&arguments, &clean).await.unwrap();
    assert_eq!(code, ExitCode::from(2), "{out}");
    let read: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(read["nodes"]["asked"], json!(["n1", "n2"]));
    assert_eq!(read["nodes"]["missing"][0]["node"], "n3");
    assert_eq!(read["unjudged"][0]["object"], "flows");

    let all = [one, two, three].join(",");
    let (code, out) = command(&["--manifests", "-", "--url", &all], &clean).await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS, "{out}");
    assert!(out.contains("1 flow judged"), "{out}");
    let refuses = policy("a", "p", "{podSelector: {}}");
    let (code, out) = command(&["--manifests", "-", "--url", &all], &refuses).await.unwrap();
    assert_eq!(code, ExitCode::from(1), "{out}");
}
