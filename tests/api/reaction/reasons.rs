//! Reasons to compare all counts. With many snacks a wrong value in Redis without a reason is left to the sweep, so that one tells
//! whether a comparison has taken place.

use std::{sync::Arc, time::Duration};

use snack_server::{
    reaction::{
        counters::Counters,
        counts::ReactionType::Like,
        flush::{self, Flusher, Reconciled},
    },
    redis_client::RedisClient,
};
use sqlx::PgPool;
use tokio::time::{Instant, timeout};

use super::convergence::{killed_after_commit, rated_snacks, react, sql, wait_for_a_waiter};
use crate::support::{
    counter_snapshot::CounterProbe,
    redis::Redis,
    test_app::{TestApp, TestUser},
};

/// Time for anything on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs a reconcile that reaches Redis.
pub async fn reconcile(flusher: &Flusher) -> Reconciled {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let reconciled = flusher.reconcile().await.expect("a reconcile");
        if reconciled.is_complete {
            return reconciled;
        }
        assert!(Instant::now() < deadline, "Redis is not reachable");
        tokio::task::yield_now().await;
    }
}

/// A flusher for which any number of snacks is many, and which has compared them.
pub async fn flusher(app: &TestApp) -> Flusher {
    let mut flusher = Flusher::new(&app.state.reactions, app.state.watchdog.clone());
    flusher.many_snacks = 0;
    reconcile(&flusher).await;
    flusher
}

struct Stage {
    app: TestApp,
    users: Vec<TestUser>,
    snacks: [String; 3],
    probe: CounterProbe,
    flusher: Flusher,
}

impl Stage {
    async fn new(app: TestApp) -> Self {
        // The server compares when it starts.
        let deadline = Instant::now() + TIMEOUT;
        while !has_compared(app.db()).await {
            assert!(Instant::now() < deadline, "the server does not compare at its start");
        }
        let (users, snacks, probe) = rated_snacks(&app).await;
        let flusher = flusher(&app).await;
        Self { app, users, snacks, probe, flusher }
    }

    /// Changes a value of Redis without a reason.
    async fn spoil(&self) {
        self.probe.set(&self.snacks[2], "like_count", "77").await;
    }

    /// Checks that nothing is compared without a reason.
    async fn expect_no_reason(&self) {
        self.app.flush().await;
        self.spoil().await;
        assert_eq!(reconcile(&self.flusher).await.repaired, 0);
        assert_eq!(self.probe.get(&self.snacks[2], "like_count").await.as_deref(), Some("77"));
    }

    /// Checks that the next reconcile has a reason and compares all, and that the one after it has none.
    async fn expect_reason(&self, reason: &str) {
        self.spoil().await;
        reconcile(&self.flusher).await;
        assert_eq!(self.probe.get(&self.snacks[2], "like_count").await.as_deref(), Some("5"), "{reason}");
        self.probe.assert_equal(&self.app).await;
        self.expect_no_reason().await;
    }
}

async fn has_compared(db: &PgPool) -> bool {
    sqlx::query_scalar("SELECT generation IS NOT NULL FROM reaction_comparison").fetch_one(db).await.expect("a row")
}

/// Counters of a server that does not reach Redis.
fn without_redis() -> Counters {
    let url = Redis::absent().url().parse().expect("a URL");
    Counters::new(Arc::new(RedisClient::new(&url).expect("a client")), "")
}

#[tokio::test]
async fn without_a_reason_many_snacks_are_swept_and_few_are_compared() {
    let stage = Stage::new(TestApp::start().await).await;
    stage.expect_no_reason().await;
    // Flushes whose counts reach Redis are no reason.
    react(&stage.app, &stage.users[0], &stage.snacks[0], "like").await;
    stage.expect_no_reason().await;
    assert_eq!(stage.flusher.sweep(Duration::ZERO).await.expect("a sweep"), 1);
    stage.probe.assert_equal(&stage.app).await;
    // One server sweeps in each interval, and goes on behind the last snack.
    stage.spoil().await;
    assert_eq!(stage.flusher.sweep(Duration::from_mins(1)).await.expect("a sweep"), 0);
    let swept = "SELECT swept_to = (SELECT max(id) FROM snacks) FROM reaction_comparison";
    assert!(sqlx::query_scalar::<_, bool>(swept).fetch_one(stage.app.db()).await.expect("a row"));
    for repaired in [0, 1] {
        assert_eq!(stage.flusher.sweep(Duration::ZERO).await.expect("a sweep"), repaired);
    }
    stage.spoil().await;
    let few = Flusher::new(&stage.app.state.reactions, stage.app.state.watchdog.clone());
    for _ in 0..2 {
        stage.spoil().await;
        assert_eq!(few.sweep(Duration::ZERO).await.expect("a sweep"), 0);
        assert_eq!(reconcile(&few).await.repaired, 1);
    }
    let mut many = few;
    for (limit, repaired) in [(4, 0), (5, 1)] {
        many.many_snacks = limit;
        stage.spoil().await;
        assert_eq!(reconcile(&many).await.repaired, repaired, "four snacks with a limit of {limit}");
    }
}

#[tokio::test]
async fn a_server_compares_at_its_start() {
    let stage = Stage::new(TestApp::start().await).await;
    stage.spoil().await;
    flusher(&stage.app).await;
    stage.probe.assert_equal(&stage.app).await;
    stage.expect_no_reason().await;
}

#[tokio::test]
async fn a_redis_that_was_restarted_or_promoted_is_compared() {
    let mut redis = Redis::start().await;
    let stage = Stage::new(redis.app().await).await;
    let older = stage.probe.save().await;
    react(&stage.app, &stage.users[0], &stage.snacks[0], "like").await;
    stage.expect_no_reason().await;
    // From a file with older values.
    redis.kill();
    redis.launch().await;
    let probe = CounterProbe::open(&stage.app).await;
    probe.restore(&older).await;
    let stage = Stage { probe, ..stage };
    stage.expect_reason("another process").await;

    // It becomes a replica and a master again, as at a failover and back.
    let other = Redis::start().await;
    let port = other.port.to_string();
    redis.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    let deadline = Instant::now() + TIMEOUT;
    while !redis.command(&["INFO", "replication"]).await.contains("master_link_status:up") {
        assert!(Instant::now() < deadline, "no replica");
    }
    redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    let now = stage.probe.save().await;
    assert!(now.is_empty());
    stage.probe.restore(&older).await;
    let generation: String = sqlx::query_scalar("SELECT generation::text FROM reaction_comparison")
        .fetch_one(stage.app.db())
        .await
        .expect("a row");
    stage.probe.set("0", "generation", &generation).await;
    stage.expect_reason("a promotion").await;
}

#[tokio::test]
async fn a_redis_whose_data_were_deleted_is_compared() {
    let stage = Stage::new(TestApp::start().await).await;
    stage.probe.wipe().await;
    reconcile(&stage.flusher).await;
    stage.probe.assert_equal(&stage.app).await;
    stage.expect_no_reason().await;
    stage.probe.delete("0", "generation").await;
    stage.expect_reason("no generation").await;
    stage.probe.set("0", "generation", "of another database").await;
    stage.expect_reason("another generation").await;
    stage.probe.spoil("0", "generation").await;
    stage.expect_reason("no valid generation").await;
}

#[tokio::test]
async fn counts_of_a_flush_that_have_not_reached_redis_are_compared() {
    let stage = Stage::new(TestApp::start().await).await;
    // By a server that does not reach Redis, or is killed before it does.
    killed_after_commit(&stage.app, &stage.users[0], &stage.snacks[0], Like).await;
    assert_eq!(flush::flush(stage.app.db(), &without_redis()).await.expect("a flush"), 1);
    stage.expect_reason("a flush").await;
    // By a server of the former release or in psql.
    for statement in [
        "UPDATE snacks SET like_reaction_count = 99 WHERE counter_epoch > 0",
        "UPDATE snacks SET hate_reaction_count = 0",
        "UPDATE snacks SET counter_epoch = 1 WHERE counter_epoch > 0",
    ] {
        sql(&stage.app, statement).await;
        stage.expect_reason(statement).await;
    }
    sql(&stage.app, "UPDATE snacks SET name = name || '!'").await;
    stage.expect_no_reason().await;
}

#[tokio::test]
async fn a_postgres_that_was_restarted_or_restored_is_compared() {
    let stage = Stage::new(TestApp::start().await).await;
    for change in [
        // Another start of the process than now, another database, and an older state of this one.
        "UPDATE reaction_comparison SET marks = ARRAY(SELECT regexp_replace(mark, '^(postgres \\d+ ).*', '\\1 1') FROM unnest(marks) AS mark)",
        "UPDATE reaction_comparison SET marks = ARRAY(SELECT regexp_replace(mark, '^postgres \\d+', 'postgres 1') FROM unnest(marks) AS mark)",
        "UPDATE reaction_comparison SET generation = gen_random_uuid()",
        "UPDATE reaction_comparison SET generation = NULL, marks = '{}'",
    ] {
        sql(&stage.app, change).await;
        stage.expect_reason(change).await;
    }
}

#[tokio::test]
async fn a_loss_during_a_comparison_is_a_reason_for_the_next() {
    let stage = Stage::new(TestApp::start().await).await;
    for reason in ["generation", "flush"] {
        // The comparison has found a wrong value, and waits for the flush of another server.
        stage.spoil().await;
        stage.probe.delete("0", "generation").await;
        let mut other = stage.app.db().begin().await.expect("a transaction");
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(snack_server::db::locks::Lock::ReactionFlush as i64)
            .execute(&mut *other)
            .await
            .expect("a lock");
        let meanwhile = async {
            wait_for_a_waiter(&stage.app).await;
            if reason == "generation" {
                stage.probe.delete("0", "generation").await;
            } else {
                sql(&stage.app, "UPDATE snacks SET like_reaction_count = 99 WHERE counter_epoch > 0 AND id = (SELECT min(id) FROM snacks)").await;
            }
            other.rollback().await.expect("the end of the lock");
        };
        let (reconciled, ()) = tokio::join!(stage.flusher.reconcile(), meanwhile);
        assert_eq!(reconciled.expect("a reconcile"), Reconciled { repaired: 1, is_complete: true });
        stage.expect_reason(reason).await;
    }
}

#[tokio::test]
async fn one_server_compares_at_a_time() {
    let stage = Stage::new(TestApp::start().await).await;
    stage.spoil().await;
    stage.probe.delete("0", "generation").await;
    let mut other = stage.app.db().begin().await.expect("a transaction");
    let lock = snack_server::db::locks::Lock::ReactionComparison as i64;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(&mut *other).await.expect("a lock");
    assert_eq!(reconcile(&stage.flusher).await.repaired, 0);
    other.rollback().await.expect("the end of the lock");
    assert_eq!(reconcile(&stage.flusher).await.repaired, 1);
    stage.expect_no_reason().await;
}

#[tokio::test]
async fn a_comparison_that_does_not_reach_redis_is_repeated() {
    let redis = Redis::start().await;
    let stage = Stage::new(redis.app().await).await;
    stage.spoil().await;
    stage.probe.delete("0", "generation").await;
    let mut other = stage.app.db().begin().await.expect("a transaction");
    let lock = snack_server::db::locks::Lock::ReactionFlush as i64;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(&mut *other).await.expect("a lock");
    let meanwhile = async {
        wait_for_a_waiter(&stage.app).await;
        redis.signal("STOP");
        other.rollback().await.expect("the end of the lock");
    };
    let (reconciled, ()) = tokio::join!(stage.flusher.reconcile(), meanwhile);
    assert_eq!(reconciled.expect("a reconcile"), Reconciled { repaired: 1, is_complete: false });
    // The counts of the comparison itself have not reached Redis, which alone would be a reason.
    sql(&stage.app, "DELETE FROM reaction_flushes").await;
    redis.signal("CONT");
    stage.expect_reason("an incomplete comparison").await;
}

#[tokio::test]
async fn counts_that_a_read_does_not_find_are_set_by_the_next_flush() {
    let stage = Stage::new(TestApp::start().await).await;
    for name in ["like_count", "hate_count", "epoch"] {
        stage.probe.delete(&stage.snacks[1], name).await;
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let seen = stage.app.get(&stage.users[0], &format!("/snacks/{}", stage.snacks[1])).await.expect(200);
            assert_eq!(seen["like_reaction_count"], 4);
            if stage.app.flush().await == 1 {
                break;
            }
            // On a busy machine Redis may not respond to the read in time.
            assert!(Instant::now() < deadline, "{name}");
        }
        stage.probe.assert_equal(&stage.app).await;
    }
    // A snack that was never rated has none, and needs none.
    let unrated = stage.app.snack(&stage.users[0], "새 간식").await;
    stage.app.get(&stage.users[0], &format!("/snacks/{unrated}")).await.expect(200);
    assert_eq!(stage.app.flush().await, 0);
    stage.expect_no_reason().await;
}

#[tokio::test]
async fn a_flush_ends_and_leaves_nothing_to_compare_while_others_flush() {
    let stage = Stage::new(TestApp::start().await).await;
    let replica = stage.app.replica().await;
    for round in 0..10 {
        let kind = ["like", "hate"][round % 2];
        react(&stage.app, &stage.users[0], &stage.snacks[0], kind).await;
        timeout(TIMEOUT, futures_util::future::join(stage.app.flush(), replica.flush())).await.expect("an end");
    }
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM reaction_flushes").fetch_one(stage.app.db()).await.expect("a count");
    assert_eq!(left, 0);
    stage.expect_no_reason().await;
}
