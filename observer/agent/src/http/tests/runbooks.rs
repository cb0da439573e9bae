use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use flow_model::input::LostStage;
use strum::VariantArray;

use crate::http::runbooks::PAGES;
use crate::http::tests::client::Agent;

#[test]
fn every_page_of_the_directory_is_served() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let files: BTreeSet<String> = files.map(|name| name.into_string().unwrap()).collect();
    let served: BTreeSet<String> = PAGES.iter().map(|(name, _)| format!("{name}.md")).collect();
    assert_eq!(served, files);
}

#[tokio::test]
async fn every_link_of_the_alerts_opens() {
    let agent = Agent::start().await;
    let rules = include_str!("../../../../../deploy/prometheus/rules.plain.yaml");
    let links = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: "));
    let links: Vec<&str> = links.collect();
    assert!(links.len() > 12, "{links:?}");
    for link in links {
        let path = link.strip_prefix("http://127.0.0.1:9477").unwrap_or_else(|| panic!("{link}"));
        let answer = agent.get(path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "text/markdown; charset=utf-8");
        assert!(answer.body.contains("## What it means"), "{path}");
    }
}

#[tokio::test]
async fn a_browser_gets_html_that_it_displays() {
    let agent = Agent::start().await;
    let accept = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let answer = agent.get("/runbooks/vip-flapping.md", &[accept]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(answer.body.contains("<title>vip-flapping</title>"), "{}", answer.body);
}

#[tokio::test]
async fn links_between_the_pages_open() {
    let agent = Agent::start().await;
    for (page, text) in PAGES {
        let targets = text.split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0);
        for target in targets {
            let answer = agent.get(&format!("/runbooks/{target}"), &[]).await;
            assert_eq!(answer.status, 200, "{page} links to {target}");
        }
    }
}

#[tokio::test]
async fn an_unknown_page_leads_to_the_list() {
    let agent = Agent::start().await;
    let answer = agent.get("/runbooks/no-such", &[]).await;
    assert_eq!(answer.status, 404);
    assert!(answer.json()["error"].as_str().unwrap().contains("/runbooks/README"), "{}", answer.body);
}

#[test]
fn every_stage_of_a_loss_is_explained() {
    let (_, page) = PAGES.iter().find(|(name, _)| *name == "events-lost").unwrap();
    for stage in LostStage::VARIANTS {
        assert!(page.contains(&format!("`{stage}`")), "events-lost.md lacks `{stage}`");
    }
}
