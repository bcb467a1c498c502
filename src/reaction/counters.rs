//! Reaction counters in Redis. All its keys are defined here.
//!
//! Callers count in Postgres where Redis is out of reach.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use redis::{Cmd, Script};
use uuid::Uuid;

use super::{
    counts::{Counts, ReactionType},
    store::Change,
};
use crate::redis_client::{NodeState, RedisClient};

/// Number of snacks that one command sets, so that other commands do not wait long.
const SET_BATCH: usize = 100;

/// Maximum number of snacks that are remembered as missing.
const MAX_MISSING: usize = 1000;

/// Limit of epochs. Numbers of 15 digits are exact in Lua.
pub const MAX_EPOCH: i64 = 1_000_000_000_000_000;

/// INCR or DECR for each three keys, if the epoch is still that of the statistics columns when the row was written. Creates no keys.
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
    pub change: Change,
}

/// Redis does not respond in time, or does not have the slot of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfReach;

pub struct Counters {
    redis: Arc<RedisClient>,
    prefix: String,
    set: Script,
    add: Script,
    /// Snacks with a change that Redis may have missed, and the last epoch without it. At most one entry for each snack.
    stale: Mutex<HashMap<Uuid, i64>>,
    /// Snacks that a read has found without counts since the last flush.
    missing: Mutex<HashSet<Uuid>>,
}

impl Counters {
    /// Connects to nothing. `prefix` comes before every key.
    pub fn new(redis: Arc<RedisClient>, prefix: &str) -> Self {
        let (set, add) = (Script::new(SET), Script::new(ADD));
        Self { redis, prefix: prefix.to_owned(), set, add, stale: Mutex::default(), missing: Mutex::default() }
    }

    /// Keys of like count, hate count and epoch. Because of the braces a cluster stores the keys of one snack together.
    fn keys(&self, snack: Uuid) -> [String; 3] {
        ["like_count", "hate_count", "epoch"].map(|name| format!("{}snack:{{{snack}}}:{name}", self.prefix))
    }

    /// Key with the same slot as all keys of a snack.
    fn slot_key(&self, snack: Uuid) -> String {
        format!("{}snack:{{{snack}}}", self.prefix)
    }

    /// Key of a node that has it since the last complete comparison.
    fn generation_key(&self, tag: &str) -> String {
        format!("{}snack:{{{tag}}}:generation", self.prefix)
    }

    /// State of each node, with its generation. None for a node that does not respond.
    pub async fn nodes(&self) -> Vec<Option<NodeState>> {
        self.redis.states(|tag| self.generation_key(tag)).await
    }

    /// Sets the generation of each node. Returns whether all nodes have it.
    pub async fn set_generation(&self, generation: Uuid) -> bool {
        self.redis.set_at_each(|tag| self.generation_key(tag), &generation.to_string()).await
    }

    /// Tells whether Redis responds.
    pub async fn is_reachable(&self) -> bool {
        self.redis.is_reachable().await
    }

    /// Counts of each snack.
    pub async fn get(&self, snacks: &[Uuid]) -> Vec<Result<Option<StoredCounts>, OutOfReach>> {
        let command = |group: &[usize]| {
            let mut command = redis::cmd("MGET");
            for at in group {
                command.arg(&self.keys(snacks[*at]));
            }
            command
        };
        let mut counts = vec![Err(OutOfReach); snacks.len()];
        let key = |at: usize| self.slot_key(snacks[at]);
        for (group, values) in self.redis.send::<Vec<Option<String>>>(snacks.len(), key, None, command).await {
            let values = values.unwrap_or_default();
            let (rows, _) = values.as_chunks();
            for (at, row) in group.into_iter().zip(rows) {
                counts[at] = Ok(parse(row));
            }
        }
        counts
    }

    /// Counts of each snack that include all changes. None where Redis has no epoch, has missed a change, or is out of reach.
    pub async fn trusted_counts(&self, snacks: &[Uuid]) -> Vec<Option<StoredCounts>> {
        let current = |(stored, snack): (Result<Option<StoredCounts>, _>, &Uuid)| {
            let stored = stored.ok()?;
            if stored.and_then(|it| it.counts).is_none() {
                self.mark_missing(*snack);
            }
            stored.filter(|it| self.is_current(*snack, it.epoch))
        };
        self.get(snacks).await.into_iter().zip(snacks).map(current).collect()
    }

    fn mark_missing(&self, snack: Uuid) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.len() < MAX_MISSING {
            missing.insert(snack);
        }
    }

    /// Snacks that reads have found without counts since the last call. Some were never counted.
    pub fn take_missing(&self) -> Vec<Uuid> {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.drain().collect()
    }

    /// Marks the counts of `snack` under `epoch` and earlier ones as stale, because Redis has missed a change. They are not trusted until
    /// a flush has counted again.
    fn mark_stale(&self, snack: Uuid, epoch: i64) {
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

    /// Adds changes and returns the counts after them. None where Redis does not have the counts of the epoch under which the row was
    /// written, has missed an earlier change, or is out of reach. Those of that epoch are stale then. Not retried, because a
    /// command that timed out may still run.
    pub async fn add(&self, deltas: &[CounterDelta]) -> Vec<Option<Counts>> {
        let command = |group: &[usize]| {
            let arguments = |delta: &CounterDelta| {
                let Change { from, to, epoch } = delta.change;
                let add = |it| i64::from(to == Some(it)) - i64::from(from == Some(it));
                [add(ReactionType::Like), add(ReactionType::Hate), epoch]
            };
            self.call(&self.add, group.iter().map(|at| (deltas[*at].snack, arguments(&deltas[*at]))))
        };
        let mut counts = vec![None; deltas.len()];
        let key = |at: usize| self.slot_key(deltas[at].snack);
        let sent = self.redis.send::<Vec<Option<(i32, i32)>>>(deltas.len(), key, Some(&self.add), command);
        for (group, results) in sent.await {
            let results = results.unwrap_or_else(|| vec![None; group.len()]);
            for (at, result) in group.into_iter().zip(results) {
                let CounterDelta { snack, change } = deltas[at];
                // Counts below zero were changed by somebody else.
                match result {
                    Some((likes, hates)) if likes >= 0 && hates >= 0 => {
                        counts[at] = self.is_current(snack, change.epoch).then_some(Counts { likes, hates });
                    }
                    _ => self.mark_stale(snack, change.epoch),
                }
            }
        }
        counts
    }

    /// Stores counts of rows, except where later ones are stored. Returns whether Redis has accepted all.
    pub async fn set(&self, recounted: &[Recounted]) -> bool {
        let mut is_complete = true;
        for batch in recounted.chunks(SET_BATCH) {
            let command = |group: &[usize]| {
                let arguments = |it: &Recounted| [it.counts.likes.into(), it.counts.hates.into(), it.epoch];
                self.call(&self.set, group.iter().map(|at| (batch[*at].snack, arguments(&batch[*at]))))
            };
            let key = |at: usize| self.slot_key(batch[at].snack);
            let sent = self.redis.send::<()>(batch.len(), key, Some(&self.set), command).await;
            is_complete &= sent.iter().all(|(_, result)| result.is_some());
        }
        is_complete
    }

    /// Command that calls a script with the three keys and three arguments of each snack.
    fn call(&self, script: &Script, snacks: impl Iterator<Item = (Uuid, [i64; 3])>) -> Cmd {
        let (keys, arguments): (Vec<_>, Vec<_>) =
            snacks.map(|(snack, arguments)| (self.keys(snack), arguments)).unzip();
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.get_hash()).arg(3 * keys.len());
        command.arg(keys.as_flattened()).arg(arguments.as_flattened());
        command
    }
}

fn parse(values: &[Option<String>; 3]) -> Option<StoredCounts> {
    let number = |at: usize| values[at].as_deref()?.parse::<i64>().ok();
    let count = |at| number(at).and_then(|count| i32::try_from(count).ok());
    let counts = || Some(Counts { likes: count(0)?, hates: count(1)? });
    Some(StoredCounts { counts: counts(), epoch: number(2)? })
}

#[cfg(test)]
mod tests {
    use super::*;

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
