//! One reading of everything that verdicts need, without following it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::baseline::Missing;
use flow_model::inventory::Inventory;
use flow_model::policies::{BrokenPolicy, Tier};
use flow_objects::Loaded;
use flow_objects::kinds::{Kind, Purpose};
use flow_objects::problem::{Extent, Problem};
use flow_objects::resource::Resource;
use kube::Client;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch as channel};
use tokio_util::sync::CancellationToken;

use crate::kube::server::follow_all;
use crate::kube::server::state::{Hooks, Patience, Stale, Sync};
use crate::tasks::Tasks;

/// The reason why nothing could be read of each kind that failed.
type Failed = Arc<Mutex<BTreeMap<&'static str, ArcStr>>>;

/// The API server's objects at one moment.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Everything that could be read. Where a kind is missing on which verdicts depend, they are unknown.
    pub inventory: Arc<Inventory>,
    /// The kinds that could not be read.
    pub missing: Vec<Missing>,
}

/// The reason why the API server could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the API server can't be read: {0}")]
pub struct LoadError(String);

/// Reads everything once.
///
/// # Errors
/// Fails when namespaces can't be read, with the reason, or when nothing answers within `limit`.
pub async fn read(client: &Client, limit: Duration) -> Result<Reading, LoadError> {
    let (tx, mut rx) = channel::channel(Arc::new(Inventory::default()));
    let (done, ready) = oneshot::channel();
    let failed = Failed::default();
    let cancel = CancellationToken::new();
    let tasks = Tasks::new(&cancel);
    let _end = cancel.clone().drop_guard();
    let wanted = Resource::all().filter(|resource| resource.purpose() != Purpose::Announcements);
    let wanted: Vec<_> = wanted.collect();
    let hooks = hooks(&failed, done);
    follow_all(&wanted, &client.clone().into(), Patience::default(), tx, hooks, &tasks, &cancel);
    let answered = tokio::time::timeout(limit, ready).await.is_ok();
    let failed = std::mem::take(&mut *failed.lock());
    let inventory = Arc::clone(&rx.borrow_and_update());
    if !answered || inventory.namespaces.is_empty() {
        return Err(LoadError(first(&failed, limit)));
    }
    Ok(Reading::new(inventory, failed))
}

fn hooks(failed: &Failed, done: oneshot::Sender<()>) -> Hooks {
    let failures = Arc::clone(failed);
    Hooks {
        sync: Box::new(move |kind, sync| {
            match sync {
                Sync::Stale(Stale { why, .. }) => failures.lock().insert(kind, why.clone()),
                Sync::Synced | Sync::Absent => failures.lock().remove(kind),
            };
        }),
        ready: Box::new(move || done.send(()).unwrap_or_default()),
    }
}

/// Returns the failure that says most: without namespaces nothing can be judged.
fn first(failed: &BTreeMap<&'static str, ArcStr>, limit: Duration) -> String {
    let of_namespaces = failed.get_key_value(Kind::Namespace.name());
    match of_namespaces.or_else(|| failed.first_key_value()) {
        Some((kind, why)) => format!("{kind}: {why}"),
        None => format!("no answer within {limit:?}"),
    }
}

impl Reading {
    fn new(mut inventory: Arc<Inventory>, failed: BTreeMap<&'static str, ArcStr>) -> Self {
        let decisive =
            |kind: &str| kind.parse().is_ok_and(|kind: Kind| kind.row().purpose == Purpose::Addresses);
        let unsure = failed.iter().filter(|(kind, _)| decisive(kind)).map(|(kind, why)| unsure(kind, why));
        let unsure: Vec<_> = unsure.map(Arc::new).collect();
        if !unsure.is_empty() {
            Arc::make_mut(&mut inventory).policies.broken.extend(unsure);
        }
        let missing = failed.into_iter().map(|(kind, why)| Missing { what: kind.into(), why });
        Self { inventory, missing: missing.collect() }
    }

    /// Returns it as files are read, with what is missing as problems.
    #[must_use]
    pub fn loaded(self) -> Loaded {
        let problems = problems(Path::new("the API server"), &self.missing);
        Loaded { inventory: self.inventory, problems }
    }
}

/// Returns what is missing in a source as problems.
pub(crate) fn problems(source: &Path, missing: &[Missing]) -> Vec<Problem> {
    let problem = |missing: &Missing| Problem::of_file(source, Extent::Unreadable, missing.to_string());
    missing.iter().map(problem).collect()
}

/// Returns what makes every verdict unknown: it may depend on objects that could not be read, as it may on a policy.
fn unsure(kind: &str, why: &ArcStr) -> BrokenPolicy {
    BrokenPolicy::any_of(kind.into(), why.clone(), Some(Tier::Admin))
}
