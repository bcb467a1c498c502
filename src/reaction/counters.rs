//! Reaction counters in Redis. All its keys are defined here.
//!
//! Redis is optional. A command has [`COMMAND_TIMEOUT`]; after a failure only one probe per [`RETRY_AFTER`] is sent, so that an outage
//! costs requests nothing. Callers then count in Postgres.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{
    FromRedisValue, RedisResult, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::timeout;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    counts::{Counts, ReactionType},
    store::Change,
};
use crate::{config::Config, error::chain, telemetry::spans};

/// Time limit of a command.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(150);
/// Time limit for a connection, which is opened in the background.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between a failure and the next probe.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Number of snacks that one script sets, so that other commands do not wait long.
const SET_BATCH: usize = 100;

/// Limit of epochs. Numbers of 15 digits are exact in Lua.
pub const MAX_EPOCH: i64 = 1_000_000_000_000_000;

/// INCR or DECR for each three keys, if the epoch is still the one that the caller read before it wrote the row. Creates no keys.
const ADD: &str = r"
local results = {}
for at = 1, #KEYS, 3 do
    local result = false
    if redis.call('GET', KEYS[at + 2]) == ARGV[at + 2] and redis.call('EXISTS', KEYS[at], KEYS[at + 1]) == 2 then
        for i = at, at + 1 do
            if ARGV[i] == '1' then redis.call('INCR', KEYS[i]) elseif ARGV[i] == '-1' then redis.call('DECR', KEYS[i]) end
        end
        result = redis.call('MGET', KEYS[at], KEYS[at + 1])
    end
    table.insert(results, result)
end
return results";

/// Absolute values for each three keys, unless later ones are stored. A value that is no valid epoch (see [`MAX_EPOCH`]) is
/// overwritten.
const SET: &str = r"
for at = 1, #KEYS, 3 do
    local stored = redis.pcall('GET', KEYS[at + 2])
    local is_epoch = type(stored) == 'string' and #stored <= 15 and stored:match('^%d+$')
    if not is_epoch or tonumber(stored) < tonumber(ARGV[at + 2]) then
        redis.call('MSET', KEYS[at], ARGV[at], KEYS[at + 1], ARGV[at + 1], KEYS[at + 2], ARGV[at + 2])
    end
end";

/// Counts of a snack in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredCounts {
    /// None if they are absent or no numbers.
    pub counts: Option<Counts>,
    /// Epoch of the flush that wrote them last.
    pub epoch: i64,
}

/// Counts of the rows of a snack.
#[derive(Clone, Copy, Debug)]
pub struct Recounted {
    pub snack: Uuid,
    pub counts: Counts,
    pub epoch: i64,
}

/// Change of the counts of a snack.
#[derive(Clone, Copy, Debug)]
pub struct CounterDelta {
    pub snack: Uuid,
    /// Epoch that was read before the row was written.
    pub epoch: i64,
    pub change: Change,
}

/// Connection that is opened on first use, and again when it breaks.
struct Connection {
    manager: ConnectionManager,
    since: Instant,
}

impl Connection {
    fn new(client: redis::Client) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(CONNECTION_TIMEOUT));
        Ok(Self { manager: ConnectionManager::new_lazy_with_config(client, config)?, since: Instant::now() })
    }
}

pub struct Counters {
    client: redis::Client,
    connection: Mutex<Connection>,
    prefix: String,
    breaker: Breaker,
    set: Script,
    add: Script,
    /// Snacks with a change that Redis may have missed, and the last epoch without it. At most one entry for each snack.
    stale: Mutex<HashMap<Uuid, i64>>,
}

impl Counters {
    /// Connects in the background, so that the server starts without Redis.
    ///
    /// # Errors
    /// `REDIS_URL` is invalid, which the settings have checked.
    pub fn new(config: &Config) -> RedisResult<Self> {
        let client = config.redis()?;
        Ok(Self {
            connection: Mutex::new(Connection::new(client.clone())?),
            client,
            prefix: config.redis_prefix.clone(),
            breaker: Breaker::new(),
            set: Script::new(SET),
            add: Script::new(ADD),
            stale: Mutex::default(),
        })
    }

    fn connection(&self) -> ConnectionManager {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.manager.clone()
    }

    /// Opens a new connection, unless the present one may still be opening. The manager replaces a connection that breaks, but not one
    /// that has gone silent.
    fn reconnect(&self) {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.since.elapsed() > CONNECTION_TIMEOUT
            && let Ok(new) = Connection::new(self.client.clone())
        {
            *connection = new;
        }
    }

    /// Keys of like count, hate count and epoch. Because of the braces a cluster stores the keys of one snack together.
    fn keys(&self, snack: Uuid) -> [String; 3] {
        ["like_count", "hate_count", "epoch"].map(|name| format!("{}snack:{{{snack}}}:{name}", self.prefix))
    }

    /// Tells whether Redis responds.
    pub async fn is_reachable(&self) -> bool {
        let mut connection = self.connection();
        matches!(timeout(COMMAND_TIMEOUT, redis::cmd("PING").query_async::<()>(&mut connection)).await, Ok(Ok(())))
    }

    /// Counts of each snack. None when Redis does not respond in time.
    pub async fn get(&self, snacks: &[Uuid]) -> Option<Vec<Option<StoredCounts>>> {
        let mut connection = self.connection();
        let mut command = redis::cmd("MGET");
        for snack in snacks {
            command.arg(&self.keys(*snack));
        }
        let values: Vec<Option<String>> = self.attempt("MGET", command.query_async(&mut connection)).await?;
        let (rows, _) = values.as_chunks();
        Some(rows.iter().map(parse).collect())
    }

    /// Counts of each snack that include all changes. None where Redis has no epoch, has missed a change, or does not respond in time.
    pub async fn trusted_counts(&self, snacks: &[Uuid]) -> Vec<Option<StoredCounts>> {
        let Some(stored) = self.get(snacks).await else { return vec![None; snacks.len()] };
        let current =
            |(stored, snack): (Option<StoredCounts>, &Uuid)| stored.filter(|it| self.is_current(*snack, it.epoch));
        stored.into_iter().zip(snacks).map(current).collect()
    }

    /// Marks the counts of `snack` under `epoch` and earlier ones as stale, because Redis has missed a change. They are not trusted until
    /// a flush has counted again.
    pub fn mark_stale(&self, snack: Uuid, epoch: i64) {
        let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        let last = stale.entry(snack).or_insert(epoch);
        *last = epoch.max(*last);
    }

    /// Tells whether the counts of `snack` under `epoch` are not stale.
    fn is_current(&self, snack: Uuid, epoch: i64) -> bool {
        let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = stale.get(&snack).is_none_or(|last| epoch > *last);
        if is_current {
            stale.remove(&snack);
        }
        is_current
    }

    /// Adds changes and returns the counts after them. None where the stored epoch is another one (a flush has counted the change in the
    /// meantime) or Redis does not respond in time. Not retried, because a command that timed out may still run.
    pub async fn add(&self, deltas: &[CounterDelta]) -> Vec<Option<Counts>> {
        if deltas.is_empty() {
            return Vec::new();
        }
        let mut connection = self.connection();
        let mut invocation = self.add.prepare_invoke();
        for CounterDelta { snack, epoch, change: Change { from, to, .. } } in deltas {
            let delta = |it| i32::from(*to == Some(it)) - i32::from(*from == Some(it));
            invocation
                .key(&self.keys(*snack))
                .arg(delta(ReactionType::Like))
                .arg(delta(ReactionType::Hate))
                .arg(*epoch);
        }
        let results: Option<Vec<Option<(i32, i32)>>> =
            self.attempt("EVALSHA", invocation.invoke_async(&mut connection)).await;
        let Some(results) = results else {
            for delta in deltas {
                self.mark_stale(delta.snack, delta.epoch.max(delta.change.epoch));
            }
            return vec![None; deltas.len()];
        };
        // Counts below zero were changed by somebody else.
        let valid = |(likes, hates)| (likes >= 0 && hates >= 0).then_some(Counts { likes, hates });
        results.into_iter().map(|result| result.and_then(valid)).collect()
    }

    /// Stores counts of rows, except where later ones are stored. Returns whether Redis has accepted all; the next reconcile repeats the
    /// others.
    pub async fn set(&self, recounted: &[Recounted]) -> bool {
        let mut is_complete = true;
        for batch in recounted.chunks(SET_BATCH) {
            let mut connection = self.connection();
            let mut invocation = self.set.prepare_invoke();
            for Recounted { snack, counts, epoch } in batch {
                invocation.key(&self.keys(*snack)).arg(counts.likes).arg(counts.hates).arg(*epoch);
            }
            is_complete &= self.attempt::<()>("EVALSHA", invocation.invoke_async(&mut connection)).await.is_some();
        }
        is_complete
    }

    /// Awaits the command `name`, unless the circuit breaker is open.
    async fn attempt<T: FromRedisValue>(
        &self,
        name: &'static str,
        command: impl Future<Output = RedisResult<T>>,
    ) -> Option<T> {
        if !self.breaker.lets_pass() {
            return None;
        }
        let span = spans::redis(name);
        let result = timeout(COMMAND_TIMEOUT, command).instrument(span.clone()).await;
        if !matches!(result, Ok(Ok(_))) {
            spans::fail(&span);
        }
        match result {
            Ok(Ok(value)) => {
                self.breaker.succeeded();
                Some(value)
            }
            // Redis responds with an error, for example because a key has a value of another type.
            Ok(Err(error)) if !error.is_unrecoverable_error() && !error.is_io_error() && !error.is_timeout() => {
                tracing::warn!(error = %chain(&error), "Redis command failed");
                None
            }
            Ok(Err(error)) => {
                self.breaker.failed(&error);
                None
            }
            Err(elapsed) => {
                self.breaker.failed(&elapsed);
                self.reconnect();
                None
            }
        }
    }
}

fn parse(values: &[Option<String>; 3]) -> Option<StoredCounts> {
    let number = |at: usize| values[at].as_deref()?.parse::<i64>().ok();
    let count = |at| number(at).and_then(|count| i32::try_from(count).ok());
    let counts = || Some(Counts { likes: count(0)?, hates: count(1)? });
    Some(StoredCounts { counts: counts(), epoch: number(2)? })
}

/// Circuit breaker. After a failure it is open for [`RETRY_AFTER`] and then lets one probe pass at a time.
struct Breaker {
    start: Instant,
    /// Time of the next probe in milliseconds since `start`. 0 while the breaker is closed.
    retry_at: AtomicU64,
}

impl Breaker {
    fn new() -> Self {
        Self { start: Instant::now(), retry_at: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn next_retry(&self) -> u64 {
        self.now() + u64::try_from(RETRY_AFTER.as_millis()).unwrap_or_default()
    }

    fn lets_pass(&self) -> bool {
        let retry_at = self.retry_at.load(Ordering::Relaxed);
        if retry_at == 0 {
            return true;
        }
        let probe =
            || self.retry_at.compare_exchange(retry_at, self.next_retry(), Ordering::Relaxed, Ordering::Relaxed);
        self.now() >= retry_at && probe().is_ok()
    }

    fn succeeded(&self) {
        if self.retry_at.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("Redis reachable again");
        }
    }

    fn failed(&self, error: &dyn std::error::Error) {
        if self.retry_at.swap(self.next_retry(), Ordering::Relaxed) == 0 {
            tracing::warn!(error = %chain(error), "Redis out of reach, counting in Postgres");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_breaker_lets_nothing_pass_and_a_success_closes_it() {
        let breaker = Breaker::new();
        assert!(breaker.lets_pass());
        breaker.failed(&std::io::Error::other("gone"));
        assert!(!breaker.lets_pass());
        breaker.succeeded();
        assert!(breaker.lets_pass());
    }

    #[test]
    fn one_probe_at_a_time_passes_after_the_pause() {
        let breaker = Breaker::new();
        breaker.retry_at.store(1, Ordering::Relaxed);
        while breaker.now() < 2 {
            std::hint::spin_loop();
        }
        assert!(breaker.lets_pass());
        assert!(!breaker.lets_pass());
    }

    #[test]
    fn values_that_are_no_counters_are_none() {
        let value = |text: &str| Some(text.to_owned());
        let counts = |likes, hates| parse(&[likes, hates, value("3")]).and_then(|stored| stored.counts);
        assert_eq!(counts(value("1"), value("2")), Some(Counts { likes: 1, hates: 2 }));
        assert_eq!(counts(None, value("2")), None);
        assert_eq!(counts(value("1"), value("x")), None);
        assert_eq!(counts(value("1"), value("99999999999")), None);
        assert!(parse(&[value("1"), value("2"), None]).is_none());
    }
}
