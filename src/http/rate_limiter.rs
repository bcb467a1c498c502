//! Rate limits: a token bucket for each key.
//!
//! A permit is acquired before the operation and refunded when the operation turns out not to count, such as a sign-in that
//! succeeds. Otherwise fifty attempts at once would all pass before the first has failed. Known libraries have no refund, hence
//! this implementation. Each server has its own buckets, so `n` servers allow `n` times the rate.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::{config::Rate, error::ApiError};

/// Maximum number of keys of a limiter, which take a few megabytes.
const MAX_KEYS: usize = 100_000;

/// Key made of text from a client: 128 bits of its SHA-256, so that its size does not depend on the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 16]);

impl KeyDigest {
    pub fn of(text: &str) -> Self {
        let digest = Sha256::digest(text);
        Self(std::array::from_fn(|at| digest[at]))
    }
}

/// Limiter of one rule. Keys are `Copy`, so that a client cannot decide their size.
pub struct RateLimiter<K> {
    rate: Rate,
    buckets: Mutex<Buckets<K>>,
}

struct Buckets<K> {
    /// Times at which buckets are full again. A bucket without an entry is full.
    full_at: HashMap<K, Instant>,
    next_sweep: Instant,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    /// Removes the buckets that are full again. If too many are left, the eighth of them that is nearest to full is removed too. An
    /// attacker who wants an empty bucket removed has to empty as many others, which takes longer than waiting.
    fn sweep(&mut self, now: Instant, period: Duration) {
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= MAX_KEYS {
            let mut times: Vec<Instant> = self.full_at.values().copied().collect();
            let (_, &mut last, _) = times.select_nth_unstable(MAX_KEYS / 8);
            self.full_at.retain(|_, full_at| *full_at > last);
        }
        self.full_at.shrink_to(self.full_at.len() * 2);
        self.next_sweep = now + period;
    }
}

/// Permit for one attempt. Refunded on drop, unless [`Permit::spend`] is called.
#[must_use]
pub struct Permit<'a, K: Copy + Eq + Hash> {
    limiter: &'a RateLimiter<K>,
    key: K,
    is_spent: bool,
}

impl<K: Copy + Eq + Hash> Permit<'_, K> {
    /// Counts the attempt.
    pub fn spend(mut self) {
        self.is_spent = true;
    }
}

impl<K: Copy + Eq + Hash> Drop for Permit<'_, K> {
    fn drop(&mut self) {
        if !self.is_spent {
            self.limiter.refund_at(&self.key, Instant::now());
        }
    }
}

impl<K: Copy + Eq + Hash> RateLimiter<K> {
    pub fn new(rate: Rate) -> Self {
        let buckets = Buckets { full_at: HashMap::new(), next_sweep: Instant::now() + rate.period };
        Self { rate, buckets: Mutex::new(buckets) }
    }

    /// # Errors
    /// `too_many_requests` when the bucket of `key` is empty.
    pub fn acquire(&self, key: K) -> Result<Permit<'_, K>, ApiError> {
        self.acquire_at(key, Instant::now()).map_err(ApiError::too_many)?;
        Ok(Permit { limiter: self, key, is_spent: false })
    }

    /// Takes a token, or returns the wait until there is one.
    fn acquire_at(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets();
        if now >= buckets.next_sweep || (buckets.full_at.len() >= MAX_KEYS && !buckets.full_at.contains_key(&key)) {
            buckets.sweep(now, self.rate.period);
        }
        let full_at = buckets.full_at.get(&key).map_or(now, |full_at| (*full_at).max(now));
        let then = full_at + self.interval();
        match then.duration_since(now).checked_sub(self.rate.period) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                buckets.full_at.insert(key, then);
                Ok(())
            }
        }
    }

    fn refund_at(&self, key: &K, now: Instant) {
        let mut buckets = self.buckets();
        if let Some(full_at) = buckets.full_at.get_mut(key) {
            *full_at -= self.interval();
            if *full_at <= now {
                buckets.full_at.remove(key);
            }
        }
    }

    /// Time in which one token is refilled.
    fn interval(&self) -> Duration {
        self.rate.period / self.rate.count
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets<K>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> (RateLimiter<u32>, Instant) {
        (RateLimiter::new(Rate { count: 5, period: Duration::from_mins(5) }), Instant::now())
    }

    #[test]
    fn a_bucket_holds_so_many_tries_and_refills_one_by_one() {
        let (limiter, now) = limiter();
        for _ in 0..5 {
            assert_eq!(limiter.acquire_at(1, now), Ok(()));
        }
        assert_eq!(limiter.acquire_at(1, now), Err(Duration::from_mins(1)));
        assert_eq!(limiter.acquire_at(2, now), Ok(()));
        let later = now + Duration::from_mins(1);
        assert_eq!(limiter.acquire_at(1, later), Ok(()));
        assert_eq!(limiter.acquire_at(1, later), Err(Duration::from_mins(1)));
        let much_later = later + Duration::from_hours(1);
        for _ in 0..5 {
            assert_eq!(limiter.acquire_at(1, much_later), Ok(()));
        }
        assert!(limiter.acquire_at(1, much_later).is_err());
    }

    #[test]
    fn a_permit_that_is_dropped_gives_its_try_back_and_one_that_is_spent_does_not() {
        let (limiter, _) = limiter();
        for _ in 0..50 {
            let permit = limiter.acquire(1);
            assert!(permit.is_ok());
        }
        assert_eq!(limiter.buckets().full_at.len(), 0);
        for _ in 0..5 {
            limiter.acquire(1).expect("a try").spend();
        }
        assert!(limiter.acquire(1).is_err());
        limiter.refund_at(&2, Instant::now());
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten_within_a_period() {
        let (limiter, now) = limiter();
        for key in 0..1000 {
            assert_eq!(limiter.acquire_at(key, now), Ok(()));
        }
        assert_eq!(limiter.acquire_at(1000, now + Duration::from_mins(6)), Ok(()));
        let buckets = limiter.buckets();
        assert_eq!(buckets.full_at.len(), 1);
        assert!(buckets.full_at.capacity() < 100, "{}", buckets.full_at.capacity());
    }

    #[test]
    fn a_full_table_stays_bounded_and_a_closed_bucket_stays_closed() {
        let (limiter, now) = limiter();
        let keys = u32::try_from(MAX_KEYS).expect("a number");
        for _ in 0..5 {
            assert_eq!(limiter.acquire_at(u32::MAX, now), Ok(()));
        }
        for key in 0..3 * keys {
            assert_eq!(limiter.acquire_at(key, now + Duration::from_nanos(key.into())), Ok(()));
        }
        assert!(limiter.buckets().full_at.len() <= MAX_KEYS);
        assert!(limiter.acquire_at(u32::MAX, now + Duration::from_secs(1)).is_err());
    }

    #[test]
    fn keys_of_a_megabyte_are_sixteen_bytes_and_differ() {
        let long = "a".repeat(1_000_000);
        assert_eq!(KeyDigest::of(&long), KeyDigest::of(&long));
        assert_ne!(KeyDigest::of(&long), KeyDigest::of(&long[1..]));
        assert_eq!(size_of::<KeyDigest>(), 16);
    }
}
