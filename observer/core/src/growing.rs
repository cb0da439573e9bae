//! Caches that grow as needed: most nodes need little of what a cache may hold at most.

use std::hash::Hash;
use std::num::NonZeroUsize;

use lru::LruCache;

/// Returns an empty cache, which forgets what was used longest ago beyond `max` entries.
pub(crate) fn cache<K: Hash + Eq, V>(max: NonZeroUsize) -> LruCache<K, V> {
    let mut cache = LruCache::unbounded();
    cache.resize(max);
    cache
}
