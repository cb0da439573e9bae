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
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn answers_expire_and_the_oldest_give_way() {
        let marker = Marker::new().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|token| marker.mark(&[token.as_bytes()]));
        let mut cache = Cache::new(NonZeroUsize::new(2).unwrap());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        cache.put(a, 1, at(10));
        cache.put(b, 2, at(10));
        assert_eq!((cache.get(&a, at(9)), cache.get(&a, at(10))), (Some(1), None));
        cache.put(a, 1, at(20));
        cache.put(c, 3, at(20));
        assert_eq!([a, b, c].map(|mark| cache.get(&mark, at(5))), [Some(1), None, Some(3)]);
        assert_eq!(cache.answers.len(), 2);
    }

    #[test]
    fn marks_keep_parts_apart_and_are_of_this_run() {
        let (marker, other) = (Marker::new().unwrap(), Marker::new().unwrap());
        let mark = marker.mark(&[b"ab", b"c"]);
        assert!(mark == marker.mark(&[b"ab", b"c"]));
        assert!(mark != marker.mark(&[b"a", b"bc"]));
        assert!(mark != other.mark(&[b"ab", b"c"]));
    }
}
