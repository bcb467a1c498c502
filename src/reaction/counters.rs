//! Reaction counters in Redis. Every key is spelled here.
//!
//! Redis is a help, not a need: a command may take [`PATIENCE`] and no more, and after a failure nobody tries again for
//! [`PAUSE`] but one probe, so that an outage costs the requests nothing. The callers then count in Postgres.

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
use uuid::Uuid;

use super::{Counts, ReactionType, store::Change};
use crate::config::Config;

/// How long a command may take before Redis counts as out of reach.
const PATIENCE: Duration = Duration::from_millis(150);
/// How long a connection may take to stand, whether or not anybody waits for it.
const CONNECTION_PATIENCE: Duration = Duration::from_secs(1);
/// How long nobody tries after a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// How many snacks of a flush are told at once, so that nobody else's command waits for long.
const AT_ONCE: usize = 100;

/// Where epochs end: 15 digits, which Lua's numbers still hold exactly.
pub const EPOCHS: i64 = 1_000_000_000_000_000;

/// INCR and DECR for each three keys, when the epoch is still the one that the caller read before it wrote the row. It never
/// creates a key.
const SHIFT: &str = r"
local answers = {}
for at = 1, #KEYS, 3 do
    local answer = false
    if redis.call('GET', KEYS[at + 2]) == ARGV[at + 2] and redis.call('EXISTS', KEYS[at], KEYS[at + 1]) == 2 then
        for i = at, at + 1 do
            if ARGV[i] == '1' then redis.call('INCR', KEYS[i]) elseif ARGV[i] == '-1' then redis.call('DECR', KEYS[i]) end
        end
        answer = redis.call('MGET', KEYS[at], KEYS[at + 1])
    end
    table.insert(answers, answer)
end
return answers";

/// Absolute values for each three keys, unless later ones are there already. What cannot be an epoch of ours ([`EPOCHS`]) is
/// no obstacle.
const SET: &str = r"
for at = 1, #KEYS, 3 do
    local stored = redis.pcall('GET', KEYS[at + 2])
    local is_epoch = type(stored) == 'string' and #stored <= 15 and stored:match('^%d+$')
    if not is_epoch or tonumber(stored) < tonumber(ARGV[at + 2]) then
        redis.call('MSET', KEYS[at], ARGV[at], KEYS[at + 1], ARGV[at + 1], KEYS[at + 2], ARGV[at + 2])
    end
end";

/// What Redis holds of a snack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The counts; none when they are not there or no numbers.
    pub counts: Option<Counts>,
    /// The epoch of the flush that wrote them last.
    pub epoch: i64,
}

/// A snack freshly counted.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    /// Which snack.
    pub snack: Uuid,
    /// What the rows said.
    pub counts: Counts,
    /// The epoch of that count.
    pub epoch: i64,
}

/// A change of a snack's counts.
#[derive(Clone, Copy, Debug)]
pub struct Shift {
    /// Which snack.
    pub snack: Uuid,
    /// The epoch that was read before the row was written.
    pub epoch: i64,
    /// What was written.
    pub change: Change,
}

/// A connection that is made when it is first used, and made again when it breaks.
struct Connection {
    manager: ConnectionManager,
    since: Instant,
}

impl Connection {
    fn new(client: redis::Client) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECTION_PATIENCE))
            .set_response_timeout(Some(CONNECTION_PATIENCE));
        Ok(Self { manager: ConnectionManager::new_lazy_with_config(client, config)?, since: Instant::now() })
    }
}

/// The counters.
pub struct Counters {
    client: redis::Client,
    connection: Mutex<Connection>,
    prefix: String,
    breaker: Breaker,
    set: Script,
    shift: Script,
    /// Snacks with a change that Redis may not have been told of, and the last epoch that lacks it.
    missed: Mutex<HashMap<Uuid, i64>>,
}

impl Counters {
    /// Counters at `REDIS_URL`. Connects in the background, so that the server starts without Redis.
    ///
    /// # Errors
    /// When the URL is none, which the settings have ruled out.
    pub fn new(config: &Config) -> RedisResult<Self> {
        let client = config.redis()?;
        Ok(Self {
            connection: Mutex::new(Connection::new(client.clone())?),
            client,
            prefix: config.redis_prefix.clone(),
            breaker: Breaker::new(),
            set: Script::new(SET),
            shift: Script::new(SHIFT),
            missed: Mutex::default(),
        })
    }

    fn connection(&self) -> ConnectionManager {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.manager.clone()
    }

    /// Begins with a new connection, unless this one may still be on its way: the manager makes a new one when the old one
    /// breaks, but not when it has merely fallen silent.
    fn reconnect(&self) {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.since.elapsed() > CONNECTION_PATIENCE
            && let Ok(new) = Connection::new(self.client.clone())
        {
            *connection = new;
        }
    }

    /// Like count, hate count, epoch. The braces make the keys of one snack neighbours in a cluster.
    fn keys(&self, snack: Uuid) -> [String; 3] {
        ["like_count", "hate_count", "epoch"].map(|name| format!("{}snack:{{{snack}}}:{name}", self.prefix))
    }

    /// Whether Redis answers.
    pub async fn is_reachable(&self) -> bool {
        let mut connection = self.connection();
        matches!(timeout(PATIENCE, redis::cmd("PING").query_async::<()>(&mut connection)).await, Ok(Ok(())))
    }

    /// What Redis holds of each of `snacks`; none when it does not answer in time.
    pub async fn stored(&self, snacks: &[Uuid]) -> Option<Vec<Option<Stored>>> {
        let mut connection = self.connection();
        let mut command = redis::cmd("MGET");
        for snack in snacks {
            command.arg(&self.keys(*snack));
        }
        let values: Vec<Option<String>> = self.attempt(command.query_async(&mut connection)).await?;
        let (rows, _) = values.as_chunks();
        Some(rows.iter().map(parse).collect())
    }

    /// What may be believed of it: none where Redis holds no epoch, has missed a change, or does not answer in time.
    pub async fn believed(&self, snacks: &[Uuid]) -> Vec<Option<Stored>> {
        let Some(stored) = self.stored(snacks).await else { return vec![None; snacks.len()] };
        let has_all = |(stored, snack): (Option<Stored>, &Uuid)| stored.filter(|it| self.has_all(*snack, it.epoch));
        stored.into_iter().zip(snacks).map(has_all).collect()
    }

    /// Notes that Redis was not told of a change of `snack`: what it holds under `epoch` or an earlier one is not to be
    /// believed once it is back, until a flush has counted anew.
    pub fn miss(&self, snack: Uuid, epoch: i64) {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let last = missed.entry(snack).or_insert(epoch);
        *last = epoch.max(*last);
    }

    /// Whether a flush has made up for what Redis has missed of `snack`.
    fn has_all(&self, snack: Uuid, epoch: i64) -> bool {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let made_up = missed.get(&snack).is_none_or(|last| epoch > *last);
        if made_up {
            missed.remove(&snack);
        }
        made_up
    }

    /// Counts what has changed and returns the counts that result. None where the epoch is no longer the stored one (a flush
    /// came in between and has counted the change) or Redis does not answer in time. Never repeated: a command that timed out
    /// may still run.
    pub async fn shift(&self, shifts: &[Shift]) -> Vec<Option<Counts>> {
        if shifts.is_empty() {
            return Vec::new();
        }
        let mut connection = self.connection();
        let mut invocation = self.shift.prepare_invoke();
        for Shift { snack, epoch, change: Change { from, to, .. } } in shifts {
            let delta = |it| i32::from(*to == Some(it)) - i32::from(*from == Some(it));
            invocation
                .key(&self.keys(*snack))
                .arg(delta(ReactionType::Like))
                .arg(delta(ReactionType::Hate))
                .arg(*epoch);
        }
        let answers: Option<Vec<Option<(i32, i32)>>> = self.attempt(invocation.invoke_async(&mut connection)).await;
        let Some(answers) = answers else {
            for shift in shifts {
                self.miss(shift.snack, shift.epoch.max(shift.change.epoch));
            }
            return vec![None; shifts.len()];
        };
        // Below zero is what nobody can have counted.
        let sane = |(likes, hates)| (likes >= 0 && hates >= 0).then_some(Counts { likes, hates });
        answers.into_iter().map(|answer| answer.and_then(sane)).collect()
    }

    /// Writes freshly counted snacks, each unless a later count is there already. Returns whether Redis has heard of all; what
    /// it has not is left to the next reconcile.
    pub async fn set(&self, fresh: &[Fresh]) -> bool {
        let mut has_heard = true;
        for some in fresh.chunks(AT_ONCE) {
            let mut connection = self.connection();
            let mut invocation = self.set.prepare_invoke();
            for Fresh { snack, counts, epoch } in some {
                invocation.key(&self.keys(*snack)).arg(counts.likes).arg(counts.hates).arg(*epoch);
            }
            has_heard &= self.attempt::<()>(invocation.invoke_async(&mut connection)).await.is_some();
        }
        has_heard
    }

    /// Awaits a command, unless Redis is out of reach.
    async fn attempt<T: FromRedisValue>(&self, command: impl Future<Output = RedisResult<T>>) -> Option<T> {
        if !self.breaker.lets_pass() {
            return None;
        }
        match timeout(PATIENCE, command).await {
            Ok(Ok(value)) => {
                self.breaker.succeeded();
                Some(value)
            }
            // Redis answers, but not what was asked for: somebody else's value under our key, say.
            Ok(Err(error)) if !error.is_unrecoverable_error() && !error.is_io_error() && !error.is_timeout() => {
                tracing::warn!(%error, "Redis refuses a command");
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

fn parse(values: &[Option<String>; 3]) -> Option<Stored> {
    let number = |at: usize| values[at].as_deref()?.parse::<i64>().ok();
    let count = |at| number(at).and_then(|count| i32::try_from(count).ok());
    let counts = || Some(Counts { likes: count(0)?, hates: count(1)? });
    Some(Stored { counts: counts(), epoch: number(2)? })
}

/// A circuit breaker: after a failure it is open for [`PAUSE`], then lets one probe pass at a time.
struct Breaker {
    start: Instant,
    /// When the next probe may pass, in milliseconds from `start`; 0 while all is well.
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
        self.now() + u64::try_from(PAUSE.as_millis()).unwrap_or_default()
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
            tracing::info!("Redis is back");
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) {
        if self.retry_at.swap(self.next_retry(), Ordering::Relaxed) == 0 {
            tracing::warn!(%error, "Redis is out of reach; counting in Postgres");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_breaker_lets_nobody_pass_and_a_success_closes_it() {
        let breaker = Breaker::new();
        assert!(breaker.lets_pass());
        breaker.failed(&"gone");
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
