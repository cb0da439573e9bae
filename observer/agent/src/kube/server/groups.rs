//! The API groups that the server has, each with its versions. Policies of other projects are asked for only where
//! their group is: most clusters have few of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroupList;
use kube::Client;
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;

use crate::kube::access::ApiAccess;
use crate::kube::server::failure::Failure;
use crate::kube::server::list::send;
use crate::kube::server::page::SILENCE;
use crate::kube::server::wait::{Wait, spread};

/// A larger answer is refused. That of a cluster with hundreds of groups has 100 KiB.
const MOST: usize = 8 << 20;

/// The versions of each group, the preferred one first. It need not have all resources of the group.
pub(super) type Versions = HashMap<String, Vec<String>>;

/// The groups as they were last known. It is `None` before the first answer, and an error where there was none so far.
pub(super) type Groups = Option<Result<Arc<Versions>, Failure>>;

/// Asks for the groups again and again: definitions of policies may be installed later.
pub(super) async fn follow(
    api: ApiAccess,
    retry: Duration,
    to: channel::Sender<Groups>,
    cancel: CancellationToken,
) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = ask_again(api, retry, to) => {}
    }
}

async fn ask_again(api: ApiAccess, retry: Duration, to: channel::Sender<Groups>) {
    let mut wait = Wait::new(retry);
    loop {
        let pause = match ask(&api.client()).await {
            Ok(groups) => {
                to.send_if_modified(|known| {
                    let news = !matches!(known, Some(Ok(known)) if **known == groups);
                    if news {
                        *known = Some(Ok(Arc::new(groups)));
                    }
                    news
                });
                wait.reset();
                retry / 2 + spread(retry / 2)
            }
            Err(failure) => {
                let pause = wait.after(&failure);
                if matches!(failure, Failure::Unauthorized(_) | Failure::Other(_)) {
                    api.renew().await;
                }
                // What was known stays: a server that is down for a moment has the same groups afterwards.
                to.send_if_modified(|known| {
                    let news = !matches!(known, Some(Ok(_)));
                    if news {
                        *known = Some(Err(failure));
                    }
                    news
                });
                pause
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn ask(client: &Client) -> Result<Versions, Failure> {
    let request = http::Request::get("/apis").header(http::header::ACCEPT, "application/json");
    let request = request.body(Vec::new()).map_err(|e| Failure::Other(e.to_string()))?;
    let body = match send(client, request).await {
        // A server without groups has none of these policies.
        Err(Failure::Absent) => return Ok(Versions::new()),
        answer => answer?,
    };
    let text = tokio::time::timeout(SILENCE, Limited::new(body, MOST).collect()).await;
    let text = text.map_err(|_| Failure::silent(SILENCE))?.map_err(|e| Failure::Other(e.to_string()))?;
    let list: APIGroupList = serde_json::from_slice(&text.to_bytes())
        .map_err(|e| Failure::Other(format!("the list of API groups can't be read: {e}")))?;
    let versions = list.groups.into_iter().map(|group| {
        let preferred = group.preferred_version.map(|preferred| preferred.version);
        let mut versions: Vec<_> = preferred.clone().into_iter().collect();
        let others = group.versions.into_iter().map(|version| version.version);
        versions.extend(others.filter(|version| Some(version) != preferred.as_ref()));
        (group.name, versions)
    });
    Ok(versions.collect())
}
