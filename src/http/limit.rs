//! How often somebody may try: a bucket of tries for each key, refilled evenly.
//!
//! A try is taken before the deed and given back when it turns out to be free (a sign-in that succeeds), so that fifty tries at
//! once do not all pass before the first has failed. That is why no library serves here: none gives back. Each server keeps its
//! own buckets; behind `n` of them somebody has `n` times as many tries.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{config::Rate, error::ApiError};

/// When so many keys are known, those whose buckets are full again are forgotten.
const CROWDED: usize = 10_000;

/// The buckets of one rule.
pub struct Limit<K> {
    rate: Rate,
    /// When each bucket will be full again; a bucket that is full has no entry.
    full_at: Mutex<Buckets<K>>,
}

struct Buckets<K> {
    full_at: HashMap<K, Instant>,
    crowded: usize,
}

impl<K: Eq + Hash> Limit<K> {
    /// Full buckets of `rate`.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, full_at: Mutex::new(Buckets { full_at: HashMap::new(), crowded: CROWDED }) }
    }

    /// Takes a try of `key`.
    ///
    /// # Errors
    /// `too_many_requests` when there is none left.
    pub fn take(&self, key: K) -> Result<(), ApiError> {
        self.take_at(key, Instant::now()).map_err(ApiError::too_many)
    }

    /// Gives back the try that was taken last.
    pub fn give_back(&self, key: &K) {
        let mut buckets = self.buckets();
        if let Some(full_at) = buckets.full_at.get_mut(key) {
            *full_at -= self.interval();
        }
    }

    /// Takes a try, or tells how long it is until there is one.
    fn take_at(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets();
        if buckets.full_at.len() >= buckets.crowded {
            buckets.full_at.retain(|_, full_at| *full_at > now);
            // Not at every try, when they are all in use.
            buckets.crowded = CROWDED.max(buckets.full_at.len() * 2);
        }
        let full_at = buckets.full_at.entry(key).or_insert(now);
        let then = (*full_at).max(now) + self.interval();
        match then.duration_since(now).checked_sub(self.rate.period) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                *full_at = then;
                Ok(())
            }
        }
    }

    /// How long it takes until a try comes back.
    fn interval(&self) -> Duration {
        self.rate.period / self.rate.count
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets<K>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> (Limit<&'static str>, Instant) {
        (Limit::new(Rate { count: 5, period: Duration::from_mins(5) }), Instant::now())
    }

    #[test]
    fn a_bucket_holds_so_many_tries_and_refills_one_by_one() {
        let (limit, now) = limit();
        for _ in 0..5 {
            assert_eq!(limit.take_at("kim", now), Ok(()));
        }
        assert_eq!(limit.take_at("kim", now), Err(Duration::from_mins(1)));
        assert_eq!(limit.take_at("lee", now), Ok(()));
        let later = now + Duration::from_mins(1);
        assert_eq!(limit.take_at("kim", later), Ok(()));
        assert_eq!(limit.take_at("kim", later), Err(Duration::from_mins(1)));
        let much_later = later + Duration::from_hours(1);
        for _ in 0..5 {
            assert_eq!(limit.take_at("kim", much_later), Ok(()));
        }
        assert!(limit.take_at("kim", much_later).is_err());
    }

    #[test]
    fn a_try_that_is_given_back_was_free() {
        let (limit, now) = limit();
        for _ in 0..50 {
            assert_eq!(limit.take_at("kim", now), Ok(()));
            limit.give_back(&"kim");
        }
        limit.give_back(&"nobody");
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let limit = Limit::new(Rate { count: 1, period: Duration::from_secs(1) });
        let now = Instant::now();
        for key in 0..CROWDED {
            assert_eq!(limit.take_at(key, now), Ok(()));
        }
        assert_eq!(limit.take_at(CROWDED, now + Duration::from_secs(2)), Ok(()));
        assert_eq!(limit.buckets().full_at.len(), 1);
    }
}
