//! Tests by the interface that users have: files in a directory, and the inventory that they give.

mod announcers;
mod damage;
mod encodings;
mod foreign;
mod manifests;
mod mutations;
mod network;
mod objects;
mod policies;
mod reuse;
mod services;
mod tiers;
mod unrendered;
mod vips;
mod yaml;

use std::fs;
use std::sync::Arc;

use flow_model::inventory::{Inventory, Pod, Service};
use tempfile::TempDir;

use crate::Loaded;
use crate::directory::load;

/// A directory with these files, loaded.
fn loaded(files: &[(&str, &str)]) -> Loaded {
    let dir = directory(files);
    load(dir.path()).unwrap()
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

/// The inventory of one YAML text in which nothing is wrong.
fn inventory(yaml: &str) -> Arc<Inventory> {
    let loaded = loaded(&[("cluster.yaml", yaml)]);
    assert_eq!(loaded.problems, [], "{yaml}");
    loaded.inventory
}

/// A running pod in one line.
fn mk_pod(name: &str, ip: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{namespace: web, name: {name}, uid: u-{name}, labels: {{app: web}}}}, \
         status: {{phase: Running, podIP: {ip}}}}}\n"
    )
}

fn pod<'a>(inventory: &'a Inventory, name: &str) -> &'a Pod {
    inventory.pods.iter().find(|pod| pod.name == name).unwrap()
}

fn service<'a>(inventory: &'a Inventory, name: &str) -> &'a Service {
    inventory.services.iter().find(|service| service.name == name).unwrap()
}

fn names(inventory: &Inventory) -> Vec<&str> {
    inventory.pods.iter().map(|pod| &*pod.name).collect()
}
