//! Answers that are valid for a while. The caller passes the time.

use std::num::NonZeroUsize;
use std::time::Instant;

use lru::LruCache;
use ring::hmac;

/// A digest of a token, or of a token and a request. It is keyed by a secret of this run, so that a copy of the memory
/// reveals neither the token nor a way to test guesses.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark([u8; 32]);

/// Creates marks.
pub(super) struct Marker(hmac::Key);

/// Holds answers, bounded: new ones replace the least recently used.
pub(super) struct Cache<V> {
    answers: LruCache<Mark, (V, Instant)>,
}

impl Marker {
    pub(super) fn new() -> Result<Self, ring::error::Unspecified> {
        let random = ring::rand::SystemRandom::new();
        Ok(Self(hmac::Key::generate(hmac::HMAC_SHA256, &random)?))
    }

    pub(super) fn mark(&self, parts: &[&[u8]]) -> Mark {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            // With its length, so that ("ab", "c") is not ("a", "bc").
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        Mark(mark)
    }
}

impl Mark {
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl<V: Clone> Cache<V> {
    pub(super) fn new(size: NonZeroUsize) -> Self {
        Self { answers: LruCache::new(size) }
    }

    pub(super) fn get(&mut self, mark: &Mark, now: Instant) -> Option<V> {
        match self.answers.get(mark) {
            Some((value, until)) if now < *until => Some(value.clone()),
            Some(_) => {
                self.answers.pop(mark);
                None
            }
            None => None,
        }
    }

    pub(super) fn put(&mut self, mark: Mark, value: V, until: Instant) {
        self.answers.put(mark, (value, until));
    }
}

#[cfg(test)]
mod tests;
