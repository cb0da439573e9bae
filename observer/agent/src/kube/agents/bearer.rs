//! The token of the kubeconfig's user, which is in the kubeconfig, in a file, or made by a plugin.

use std::future::ready;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Request, Response};
use kube::Config;
use kube::client::{Body, ConfigExt};
use tokio::sync::Mutex;
use tower::{BoxError, Layer, ServiceExt, service_fn};

/// The time for which a token is used, so that plugins don't run for each connection. Tokens are valid for longer.
const KEEP: Duration = Duration::from_secs(60);

/// The newest token.
pub(super) struct Bearer {
    config: Config,
    newest: Mutex<Option<(Instant, Option<HeaderValue>)>>,
}

impl Bearer {
    /// Asks for no token yet.
    pub(super) fn new(config: Config) -> Self {
        Self { config, newest: Mutex::default() }
    }

    /// Returns the `Authorization` header; `None` for a user without a token.
    pub(super) async fn header(&self) -> Option<HeaderValue> {
        let mut newest = self.newest.lock().await;
        if let Some((at, header)) = &*newest
            && at.elapsed() < KEEP
        {
            return header.clone();
        }
        let header = ask(&self.config).await;
        *newest = Some((Instant::now(), header.clone()));
        header
    }
}

/// Returns the header that kube's own client would send. A password is for the API server only, so it is left out.
///
/// It is no async function: in one, the compiler can't see through kube's layers that the future may be sent.
fn ask(config: &Config) -> BoxFuture<'static, Option<HeaderValue>> {
    let Ok(Some(layer)) = config.auth_layer() else { return ready(None).boxed() };
    let echo = service_fn(|request: Request<Body>| {
        ready(Ok::<_, BoxError>(Response::new(request.headers().get(AUTHORIZATION).cloned())))
    });
    let sent = layer.layer(echo).oneshot(Request::new(Body::empty()));
    sent.map(|sent| {
        let mut header = sent.ok()?.into_body()?;
        header.set_sensitive(true);
        header.as_bytes().starts_with(b"Bearer ").then_some(header)
    })
    .boxed()
}
