//! Redis out of reach: killed, stopped, or restarted empty.

use std::time::{Duration, Instant};

use serde_json::json;
use snack_server::reaction::{
    counters::CounterDelta,
    flush::{Flusher, Reconciled},
};

use crate::support::{
    counter_snapshot::CounterProbe,
    redis::Redis,
    test_app::{TestApp, TestUser},
};

/// Each user likes the snack, hates it and reads it. Fails unless every count is correct, and returns the duration.
async fn react_in_turn(app: &TestApp, users: &[TestUser], snack: &str) -> Duration {
    let path = format!("/snacks/{snack}");
    let before = app.get(&users[0], &path).await.expect(200);
    let hates = before["hate_reaction_count"].as_i64().expect("a count");
    let started = Instant::now();
    for (at, user) in (1..).zip(users) {
        for (kind, expected) in [("like", [1, hates + at - 1]), ("hate", [0, hates + at])] {
            let body = json!({"type": kind});
            let response = app.post(user, &format!("{path}/reaction"), body).await.expect(200);
            let snack = app.get(user, &path).await.expect(200);
            for body in [&response, &snack] {
                let counts = ["like_reaction_count", "hate_reaction_count"].map(|name| body[name].as_i64());
                assert_eq!(counts, expected.map(Some), "{kind} of the {at}th");
            }
        }
    }
    started.elapsed()
}

#[tokio::test]
async fn without_redis_reactions_work_and_after_it_is_back_empty_the_counters_heal() {
    let mut redis = Redis::start().await;
    let app = redis.app().await;
    let users = app.users(20).await;
    let uid = app.snack(&users[0], "새우깡").await;
    react_in_turn(&app, &users[..5], &uid).await;
    CounterProbe::open(&app).await.converge(&app).await;

    redis.kill();
    react_in_turn(&app, &users[5..], &uid).await;
    // Statistics go on: lists and their orderings need no Redis.
    app.flush().await;
    let listed = app.get(&users[0], "/snacks").await.expect(200);
    assert_eq!(listed.column("hate_reaction_count"), [json!(20)]);
    let reconciled =
        Flusher::new(&app.state.reactions, app.state.watchdog.clone()).reconcile().await.expect("a reconcile");
    assert_eq!(reconciled, Reconciled { repaired: 0, is_complete: false }, "nothing to compare with");

    redis.launch().await;
    let probe = CounterProbe::open(&app).await;
    assert!(probe.keys().await.is_empty());
    probe.converge(&app).await;
    let late = app.users(1).await;
    react_in_turn(&app, &late, &uid).await;
    app.flush().await;
    probe.assert_equal(&app).await;
}

#[tokio::test]
async fn a_redis_that_hangs_hardly_delays_requests_and_its_late_commands_are_harmless() {
    let redis = Redis::start().await;
    let app = redis.app().await;
    let users = app.users(31).await;
    let uid = app.snack(&users[0], "새우깡").await;
    react_in_turn(&app, &users[..1], &uid).await;
    CounterProbe::open(&app).await.converge(&app).await;

    redis.signal("STOP");
    // 30 users send 120 requests. Waiting 150 ms for Redis each time would take 18 s.
    let took = react_in_turn(&app, &users[1..], &uid).await;
    assert!(took < Duration::from_secs(9), "{took:?}");
    app.flush().await;
    redis.signal("CONT");
    CounterProbe::open(&app).await.converge(&app).await;
}

#[tokio::test]
async fn a_reaction_that_redis_hangs_in_is_counted_once() {
    let redis = Redis::start().await;
    let app = redis.app().await;
    let users = app.users(6).await;
    let uid = app.snack(&users[0], "새우깡").await;
    app.add_reactions(&uid, 3, 3).await;
    let probe = CounterProbe::open(&app).await;
    probe.converge(&app).await;
    let snack = uid.parse().expect("a uid");
    for user in &users {
        // The row is committed, and Redis executes the INCR later.
        let like = snack_server::reaction::counts::ReactionType::Like;
        let change = app.write_reaction(snack, user.id, Some(like)).await.expect("a row");
        redis.signal("STOP");
        assert_eq!(app.state.reactions.counters.add(&[CounterDelta { snack, change }]).await, [None]);
        app.flush().await;
        redis.signal("CONT");
        probe.converge(&app).await;
    }
}

#[tokio::test]
async fn a_server_starts_without_redis_and_finds_it_later() {
    let mut redis = Redis::absent();
    let app = redis.app().await;
    let member = app.member().await;
    let uid = app.snack(&member, "새우깡").await;
    react_in_turn(&app, std::slice::from_ref(&member), &uid).await;
    app.send(app.request(reqwest::Method::GET, "/health/ready")).await.expect(200);
    app.flush().await;
    redis.launch().await;
    CounterProbe::open(&app).await.converge(&app).await;
    // A shutdown without Redis still flushes the columns.
    app.delete(&member, &format!("/snacks/{uid}/reaction")).await.expect(200);
    let replica = app.replica().await;
    redis.kill();
    app.stop().await;
    let list = replica.get(&member, "/snacks").await.expect(200);
    assert_eq!(list.column("hate_reaction_count"), [json!(0)]);
}
