//! A reviewer's answers, remembered for seconds so that each question is asked once.

use parking_lot::{Mutex, MutexGuard};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::http::auth::cache::{Cache, Mark, Marker};
use crate::http::auth::strikes::Strikes;
use crate::http::auth::{Asked, Denial, ReviewError, Reviewer, User};

/// The time for which a yes is remembered, and so for which a revoked token or permission still works.
const YES: Duration = Duration::from_secs(10);
/// The time for which a no is remembered. It is shorter, because a user with a new permission waits for it.
const NO: Duration = Duration::from_secs(3);
/// Time for all questions about one request. Commands wait for 10 s.
const PATIENCE: Duration = Duration::from_secs(5);
const USERS: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();
const PERMISSIONS: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Reviews at one time.
const LANES: usize = 16;

type Clock = Box<dyn Fn() -> Instant + Send + Sync>;

/// Asks a [`Reviewer`]. A request without an answer is refused.
pub struct Reviews {
    reviewer: Box<dyn Reviewer>,
    marker: Marker,
    known: Mutex<Known>,
    /// A token is reviewed in the lane of its mark, one at a time. So requests with one token ask once, and all
    /// together never ask more questions at a time than there are lanes.
    lanes: [tokio::sync::Mutex<()>; LANES],
    clock: Clock,
    patience: Duration,
    /// The last review failed. It is kept so that an outage is logged once.
    out: AtomicBool,
}

struct Known {
    users: Cache<Option<Arc<User>>>,
    permissions: Cache<bool>,
    strikes: Strikes,
}

impl Reviews {
    /// Returns reviews that remember nothing yet.
    ///
    /// # Errors
    /// Fails when the system has no random numbers.
    pub fn new(reviewer: impl Reviewer + 'static) -> Result<Self, ReviewError> {
        Self::with(reviewer, PATIENCE, Box::new(Instant::now))
    }

    pub(in crate::http) fn with(
        reviewer: impl Reviewer + 'static,
        patience: Duration,
        clock: Clock,
    ) -> Result<Self, ReviewError> {
        let marker = Marker::new().map_err(|_| ReviewError("the system gives no random numbers".into()))?;
        let known =
            Known { users: Cache::new(USERS), permissions: Cache::new(PERMISSIONS), strikes: Strikes::new() };
        Ok(Self {
            reviewer: Box::new(reviewer),
            marker,
            known: Mutex::new(known),
            lanes: Default::default(),
            clock,
            patience,
            out: AtomicBool::new(false),
        })
    }

    pub(super) async fn check(&self, token: &str, asked: Asked<'_>) -> Result<(), Denial> {
        let whose = self.marker.mark(&[token.as_bytes()]);
        let what = self.marker.mark(&[token.as_bytes(), asked.verb.as_bytes(), asked.uri.path().as_bytes()]);
        if let Some(decision) = self.remembered(&whose, &what) {
            return decision;
        }
        let review = tokio::time::timeout(self.patience, self.review(token, &whose, &what, asked));
        match review.await {
            Ok(decision) => decision,
            Err(_) => Err(self.unreviewed(&ReviewError("it does not answer in time".into()))),
        }
    }

    /// Returns a remembered decision.
    fn remembered(&self, whose: &Mark, what: &Mark) -> Option<Result<(), Denial>> {
        let (now, mut known) = ((self.clock)(), self.known());
        let Some(user) = known.users.get(whose, now)? else { return Some(Err(Denial::Unauthenticated)) };
        Some(decision(known.permissions.get(what, now)?, &user))
    }

    async fn review(&self, token: &str, whose: &Mark, what: &Mark, asked: Asked<'_>) -> Result<(), Denial> {
        let lane = &self.lanes[usize::from(whose.bytes()[0]) % LANES];
        let _turn = lane.lock().await;
        // The request before in this lane may have asked the same.
        if let Some(decision) = self.remembered(whose, what) {
            return decision;
        }
        let user = self.user(token, whose, asked).await?.ok_or(Denial::Unauthenticated)?;
        let allowed = self.reviewer.authorize(&user, asked.verb, asked.uri.path()).await;
        let allowed = self.noted(allowed)?;
        let until = (self.clock)() + if allowed { YES } else { NO };
        self.known().permissions.put(*what, allowed, until);
        decision(allowed, &user)
    }

    async fn user(&self, token: &str, whose: &Mark, asked: Asked<'_>) -> Result<Option<Arc<User>>, Denial> {
        {
            let (now, mut known) = ((self.clock)(), self.known());
            if let Some(user) = known.users.get(whose, now) {
                return Ok(user);
            }
            if known.strikes.is_out(asked.client, now) {
                return Err(Denial::TooManyAttempts);
            }
        }
        let user = self.noted(self.reviewer.authenticate(token).await)?.map(Arc::new);
        let (now, mut known) = ((self.clock)(), self.known());
        if user.is_none() {
            known.strikes.add(asked.client, now);
        }
        known.users.put(*whose, user.clone(), now + if user.is_some() { YES } else { NO });
        Ok(user)
    }

    fn noted<T>(&self, answer: Result<T, ReviewError>) -> Result<T, Denial> {
        if answer.is_ok() && self.out.swap(false, Ordering::Relaxed) {
            tracing::info!("credentials can be checked again");
        }
        answer.map_err(|error| self.unreviewed(&error))
    }

    fn unreviewed(&self, error: &ReviewError) -> Denial {
        if !self.out.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "credentials can't be checked by the API server; /api answers 503 until they can");
        }
        Denial::Unreviewed
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }
}

fn decision(allowed: bool, user: &User) -> Result<(), Denial> {
    if allowed { Ok(()) } else { Err(Denial::Forbidden(user.name.clone())) }
}
