//! The counts of every snack in Redis, in the statistics columns and in the rows.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use redis::{
    AsyncCommands, Cmd, Pipeline, RedisFuture, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
};
use snack_server::reaction::flush::Flusher;
use uuid::Uuid;

use crate::support::test_app::TestApp;

/// Likes and hates.
pub type Counts = (i64, i64);

/// A snack's counts in the three places that have to agree, and their epochs.
#[derive(Debug)]
pub struct CounterSnapshot {
    pub rows: Counts,
    pub columns: Counts,
    pub redis: Option<Counts>,
    /// Epochs of the columns and of Redis.
    pub epochs: (i64, Option<i64>),
}

/// Access to the Redis keys of one test, by their documented names.
pub struct CounterProbe {
    redis: Connection,
    prefix: String,
}

/// A connection to a single Redis or to a cluster.
#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    fn inner(&mut self) -> &mut dyn ConnectionLike {
        match self {
            Self::Single(connection) => connection,
            Self::Cluster(connection) => connection,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.inner().req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.inner().req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// The key of one of a snack's counters, without the prefix.
pub fn key(snack: &str, name: &str) -> String {
    format!("snack:{{{snack}}}:{name}")
}

impl CounterProbe {
    pub async fn open(app: &TestApp) -> Self {
        let url = &app.state.config.redis_url;
        let redis = if url.is_cluster {
            let client = ClusterClient::new(url.nodes.clone()).expect("REDIS_URL");
            Connection::Cluster(client.get_async_connection().await.expect("a Redis Cluster"))
        } else {
            let client = redis::Client::open(url.nodes[0].clone()).expect("REDIS_URL");
            Connection::Single(client.get_multiplexed_async_connection().await.expect("Redis"))
        };
        Self { redis, prefix: app.state.config.redis_prefix.clone() }
    }

    fn redis(&self) -> Connection {
        self.redis.clone()
    }

    pub async fn get(&self, snack: &str, name: &str) -> Option<String> {
        let key = format!("{}{}", self.prefix, key(snack, name));
        // Unlike GET, MGET returns nil for a value of another type.
        let values: [Option<String>; 1] =
            redis::cmd("MGET").arg(key).query_async(&mut self.redis()).await.expect("MGET");
        values.into_iter().flatten().next()
    }

    pub async fn set(&self, snack: &str, name: &str, value: &str) {
        let key = format!("{}{}", self.prefix, key(snack, name));
        self.redis().set(key, value).await.expect("SET")
    }

    pub async fn delete(&self, snack: &str, name: &str) {
        let key = format!("{}{}", self.prefix, key(snack, name));
        self.redis().del(key).await.expect("DEL")
    }

    /// Replaces a counter by a list.
    pub async fn spoil(&self, snack: &str, name: &str) {
        self.delete(snack, name).await;
        let key = format!("{}{}", self.prefix, key(snack, name));
        self.redis().rpush(key, "spoilt").await.expect("RPUSH")
    }

    /// Every key of this test without the prefix, and its seconds to live (-1: no expiry).
    pub async fn keys(&self) -> BTreeMap<String, i64> {
        let names: Vec<String> = self.redis().keys(format!("{}*", self.prefix)).await.expect("KEYS");
        let mut lives = BTreeMap::new();
        for name in names {
            let ttl: i64 = self.redis().ttl(&name).await.expect("TTL");
            lives.insert(name[self.prefix.len()..].to_owned(), ttl);
        }
        lives
    }

    /// All values in Redis of this test.
    pub async fn save(&self) -> BTreeMap<String, String> {
        let mut saved = BTreeMap::new();
        for name in self.keys().await.into_keys() {
            let value: Option<String> = self.redis().get(format!("{}{name}", self.prefix)).await.expect("GET");
            saved.extend(value.map(|value| (name, value)));
        }
        saved
    }

    /// Deletes all keys of this test.
    pub async fn wipe(&self) {
        for name in self.keys().await.into_keys() {
            let _: () = self.redis().del(format!("{}{name}", self.prefix)).await.expect("DEL");
        }
    }

    /// Restores the values that [`CounterProbe::save`] returned.
    pub async fn restore(&self, saved: &BTreeMap<String, String>) {
        self.wipe().await;
        for (name, value) in saved {
            let _: () = self.redis().set(format!("{}{name}", self.prefix), value).await.expect("SET");
        }
    }

    /// The counts of every snack.
    pub async fn snapshots(&self, app: &TestApp) -> BTreeMap<String, CounterSnapshot> {
        let rows: Vec<(Uuid, i64, i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT uid, count(*) FILTER (WHERE type = 'like'), count(*) FILTER (WHERE type = 'hate'),
                 like_reaction_count::bigint, hate_reaction_count::bigint, counter_epoch
             FROM snacks LEFT JOIN snack_reactions ON snack_id = snacks.id GROUP BY snacks.id",
        )
        .fetch_all(app.db())
        .await
        .expect("the rows");
        let mut entries = BTreeMap::new();
        for (uid, likes, hates, like_column, hate_column, epoch) in rows {
            let uid = uid.to_string();
            let number = async |name| self.get(&uid, name).await.and_then(|value| value.parse().ok());
            let redis: (Option<i64>, Option<i64>) = (number("like_count").await, number("hate_count").await);
            let entry = CounterSnapshot {
                rows: (likes, hates),
                columns: (like_column, hate_column),
                redis: redis.0.zip(redis.1),
                epochs: (epoch, number("epoch").await),
            };
            entries.insert(uid, entry);
        }
        entries
    }

    /// Fails unless the three agree about every snack. A snack that was never rated needs no counters.
    pub async fn assert_equal(&self, app: &TestApp) {
        for (snack, entry) in self.snapshots(app).await {
            assert_eq!(entry.columns, entry.rows, "columns and rows of {snack}: {entry:?}");
            let never_rated = entry.epochs == (0, None) && entry.rows == (0, 0) && entry.redis.is_none();
            assert!(never_rated || entry.redis == Some(entry.rows), "Redis and rows of {snack}: {entry:?}");
        }
    }

    /// Checks that the three agree after two reconciliations, once traffic has stopped and every store is reachable.
    pub async fn converge(&self, app: &TestApp) {
        for _ in 0..2 {
            reconcile(app).await;
        }
        self.assert_equal(app).await;
    }
}

/// Runs one reconciliation that reaches Redis. One without Redis, or during the pause that follows a failure, does not
/// count.
pub async fn reconcile(app: &TestApp) {
    let deadline = Instant::now() + Duration::from_secs(15);
    let flusher = Flusher::new(&app.state.reactions, app.state.watchdog.clone());
    while !flusher.reconcile().await.expect("a reconcile").is_complete {
        assert!(Instant::now() < deadline, "Redis is not reachable again");
        tokio::task::yield_now().await;
    }
}
