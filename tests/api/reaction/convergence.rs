//! Convergence of reactions: concurrent changes, late commands and killed servers leave equal counts after two reconciliations.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use serde_json::json;
use snack_server::reaction::{
    counters::{CounterDelta, Recounted},
    counts::ReactionType::{self, Hate, Like},
    store::Change,
};
use uuid::Uuid;

use crate::support::{
    counter_snapshot::{CounterProbe, reconcile},
    test_app::{TestApp, TestUser},
};

pub async fn react(app: &TestApp, user: &TestUser, snack: &str, kind: &str) {
    let path = format!("/snacks/{snack}/reaction");
    app.post(user, &path, json!({"type": kind})).await.expect(200);
}

/// The state that a server leaves when it is killed between its commit and its INCR: the row exists and Redis does not
/// count it.
pub async fn killed_after_commit(app: &TestApp, user: &TestUser, snack: &str, kind: ReactionType) {
    let uid: Uuid = snack.parse().expect("a uid");
    app.write_reaction(uid, user.id, Some(kind)).await.expect("a row");
}

pub async fn sql(app: &TestApp, statement: &'static str) {
    sqlx::raw_sql(statement).execute(app.db()).await.expect(statement);
}

/// Three rated snacks with equal counts everywhere, and one that is unrated.
pub async fn rated_snacks(app: &TestApp) -> (Vec<TestUser>, [String; 3], CounterProbe) {
    let users = app.users(4).await;
    let mut snacks = [const { String::new() }; 3];
    for (at, snack) in snacks.iter_mut().enumerate() {
        *snack = app.snack(&users[0], &format!("간식 {at}")).await;
        app.add_reactions(snack, 3 + i32::try_from(at).expect("small"), 2).await;
    }
    app.snack(&users[0], "아무도 모르는 간식").await;
    let probe = CounterProbe::open(app).await;
    probe.converge(app).await;
    (users, snacks, probe)
}

#[tokio::test]
async fn a_crowd_on_two_servers_with_flushes_in_between_is_counted_to_the_last_one() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let users = app.users(16).await;
    let mut snacks = Vec::new();
    for at in 0..3 {
        snacks.push(app.snack(&users[0], &format!("간식 {at}")).await);
    }
    let probe = CounterProbe::open(&app).await;
    let is_over = AtomicBool::new(false);
    let crowd = async {
        join_all(users.iter().enumerate().map(async |(at, user)| {
            let servers = [&app, &replica];
            for (step, kind) in ["like", "hate", "like", "hate"].into_iter().enumerate() {
                for snack in &snacks {
                    react(servers[(at + step) % 2], user, snack, kind).await;
                }
            }
            for snack in &snacks[..at % 4 % 3] {
                let path = format!("/snacks/{snack}/reaction");
                servers[at % 2].delete(user, &path).await.expect(200);
            }
        }))
        .await;
        is_over.store(true, Ordering::Relaxed);
    };
    let flushes = async {
        while !is_over.load(Ordering::Relaxed) {
            join(app.flush(), replica.flush()).await;
        }
    };
    let reconciles = async {
        while !is_over.load(Ordering::Relaxed) {
            replica.reconcile().await;
        }
    };
    Box::pin(join(crowd, join(flushes, reconciles))).await;
    probe.converge(&app).await;
    // Everybody ended with a hate. Of sixteen, four took back the first, and four more the first two.
    let entries = probe.snapshots(&app).await;
    let rows = snacks.iter().map(|snack| entries[snack].rows);
    assert!(rows.eq([(0, 8), (0, 12), (0, 16)]));
}

#[tokio::test]
async fn no_change_is_lost_that_commits_while_a_flush_is_counting() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    killed_after_commit(&app, &users[0], &snacks[0], Like).await;
    // Blocks the flush at the snack that it is about to count.
    let mut lock = app.db().begin().await.expect("a transaction");
    sqlx::query("SELECT FROM snacks WHERE uid = $1::uuid FOR NO KEY UPDATE")
        .bind(&snacks[0])
        .execute(&mut *lock)
        .await
        .expect("a lock");
    let meanwhile = async {
        wait_for_a_waiter(&app).await;
        killed_after_commit(&app, &users[1], &snacks[0], Like).await;
        lock.rollback().await.expect("the lock's end");
    };
    join(app.flush(), meanwhile).await;
    // No reconcile: the flush alone has to update the columns.
    app.flush().await;
    probe.assert_equal(&app).await;
}

/// Waits until a transaction waits for a lock in the test's database.
pub async fn wait_for_a_waiter(app: &TestApp) {
    let deadline = Instant::now() + Duration::from_secs(8);
    let waits =
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(app.db()).await.expect("a response") {
        assert!(Instant::now() < deadline, "no transaction waits");
    }
}

#[tokio::test]
async fn a_change_that_commits_after_the_flush_is_left_to_the_next() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    let mut open = app.db().begin().await.expect("a transaction");
    sqlx::query("INSERT INTO snack_reactions SELECT id, $1, 'like' FROM snacks WHERE uid = $2::uuid")
        .bind(users[0].id)
        .bind(&snacks[0])
        .execute(&mut *open)
        .await
        .expect("a row that is not visible yet");
    // Later changes, also of the same snack, are flushed meanwhile.
    killed_after_commit(&app, &users[1], &snacks[0], Like).await;
    killed_after_commit(&app, &users[1], &snacks[1], Hate).await;
    assert_eq!(app.flush().await, 2);
    probe.assert_equal(&app).await;
    open.commit().await.expect("a commit");
    assert_eq!(app.flush().await, 1);
    probe.assert_equal(&app).await;
}

#[tokio::test]
async fn a_server_killed_between_commit_and_incr_leaves_nothing_wrong() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    killed_after_commit(&app, &users[0], &snacks[0], Like).await;
    killed_after_commit(&app, &users[1], &snacks[0], Hate).await;
    killed_after_commit(&app, &users[1], &snacks[1], Hate).await;
    killed_after_commit(&app, &users[1], &snacks[1], Like).await;
    let uid: Uuid = snacks[1].parse().expect("a uid");
    app.write_reaction(uid, users[1].id, None).await.expect("a cancel");
    // The others go on before the difference is found.
    react(&app, &users[2], &snacks[0], "like").await;
    app.flush().await;
    probe.assert_equal(&app).await;
    // Killed between the commit of the columns and the SET: only the reconcile finds it.
    react(&app, &users[3], &snacks[0], "like").await;
    let before = probe.save().await;
    app.flush().await;
    probe.restore(&before).await;
    probe.converge(&app).await;
}

#[tokio::test]
async fn a_late_incr_is_not_counted_twice() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    let uid: Uuid = snacks[0].parse().expect("a uid");
    let counters = &app.state.reactions.counters;
    let change = app.write_reaction(uid, users[0].id, Some(Like)).await.expect("a row");
    app.flush().await;
    assert_eq!(counters.add(&[CounterDelta { snack: uid, change }]).await, [None]);
    probe.assert_equal(&app).await;
    // A late INCR does not create a missing counter either.
    let now = app.stored(uid).await.expect("counters");
    assert!(now.epoch > change.epoch);
    let late = Change { epoch: now.epoch, ..change };
    for name in ["like_count", "hate_count", "epoch"] {
        probe.delete(&snacks[0], name).await;
        assert_eq!(counters.add(&[CounterDelta { snack: uid, change: late }]).await, [None]);
        assert_eq!(probe.get(&snacks[0], name).await, None);
        probe.converge(&app).await;
    }
    probe.wipe().await;
    assert_eq!(counters.add(&[CounterDelta { snack: uid, change: late }]).await, [None]);
    assert!(probe.keys().await.is_empty());
}

#[tokio::test]
async fn a_late_flush_does_not_overwrite_a_later_one() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    let snack: Uuid = snacks[0].parse().expect("a uid");
    let old = app.stored(snack).await.expect("counters");
    // A second server counts and writes while the first one, which has counted already, is slow.
    killed_after_commit(&app, &users[0], &snacks[0], Like).await;
    app.flush().await;
    for epoch in [old.epoch, old.epoch + 1] {
        let counts = old.counts.expect("counts");
        app.state.reactions.counters.set(&[Recounted { snack, counts, epoch }]).await;
        probe.assert_equal(&app).await;
    }
}

#[tokio::test]
async fn counts_that_have_missed_a_change_are_not_returned_before_the_next_flush() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    let likes = probe.get(&snacks[0], "like_count").await.expect("a count");
    probe.delete(&snacks[0], "like_count").await;
    react(&app, &users[0], &snacks[0], "like").await;
    // Redis has counts of the right epoch again, without that change.
    probe.set(&snacks[0], "like_count", &likes).await;
    let before: i64 = likes.parse().expect("a number");
    for (at, user) in (2..).zip(&users[1..]) {
        let path = format!("/snacks/{}/reaction", snacks[0]);
        let seen = app.post(user, &path, json!({"type": "like"})).await.expect(200);
        assert_eq!(seen["like_reaction_count"], json!(before + at));
    }
    app.flush().await;
    probe.assert_equal(&app).await;
}

#[tokio::test]
async fn a_change_of_a_broken_counter_leaves_those_beside_it_right() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    let uids: Vec<Uuid> = snacks.iter().map(|uid| uid.parse().expect("a uid")).collect();
    let mut shifts = Vec::new();
    for snack in uids.iter().copied() {
        shifts.push(CounterDelta {
            snack,
            change: app.write_reaction(snack, users[0].id, Some(Like)).await.expect("a row"),
        });
    }
    probe.spoil(&snacks[1], "like_count").await;
    // Counted in one pipeline: the first is counted before the second fails, and the server cannot tell which were.
    assert_eq!(app.state.reactions.counters.add(&shifts).await, [None; 3]);
    for (uid, snack) in uids.iter().zip(&snacks) {
        assert_eq!(app.stored(*uid).await, None, "a stale count is not trusted");
        let seen = app.get(&users[0], &format!("/snacks/{snack}")).await.expect(200);
        let rows = snack_server::reaction::store::count(app.db(), *uid).await.expect("a count");
        assert_eq!(seen["like_reaction_count"], json!(rows.likes));
    }
    app.flush().await;
    probe.assert_equal(&app).await;
}

#[tokio::test]
async fn a_flush_ends_though_reactions_go_on() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    // There is always a new reaction when the flush looks.
    sqlx::raw_sql(
        "CREATE FUNCTION go_on() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO reaction_dirty (snack_id) SELECT min(id) FROM snacks; RETURN NULL; END $$;
         CREATE TRIGGER go_on AFTER DELETE ON reaction_dirty FOR EACH STATEMENT EXECUTE FUNCTION go_on()",
    )
    .execute(app.db())
    .await
    .expect("a trigger");
    react(&app, &users[0], &snacks[0], "like").await;
    tokio::time::timeout(Duration::from_secs(20), app.flush()).await.expect("an end");
    sqlx::raw_sql("DROP TRIGGER go_on ON reaction_dirty").execute(app.db()).await.expect("no trigger");
    probe.converge(&app).await;
}

#[tokio::test]
async fn a_server_that_stops_flushes_once_more_after_the_last_response() {
    let app = TestApp::start().await;
    let survivor = app.replica().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    react(&app, &users[0], &snacks[0], "like").await;
    killed_after_commit(&app, &users[1], &snacks[1], Hate).await;
    let crowd = app.users(20).await;
    let requests: Vec<_> = crowd
        .iter()
        .map(|user| {
            let path = format!("/snacks/{}/reaction", snacks[2]);
            let request = app.request(reqwest::Method::POST, &path);
            // Some get a response, some find the listener closed.
            tokio::spawn(request.bearer_auth(&user.access).json(&json!({"type": "like"})).send())
        })
        .collect();
    react(&app, &users[2], &snacks[2], "hate").await;
    app.stop().await;
    join_all(requests).await;
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM reaction_dirty").fetch_one(survivor.db()).await.expect("a count");
    assert_eq!(left, 0);
    probe.assert_equal(&survivor).await;
}

#[tokio::test]
async fn a_server_that_starts_makes_up_for_the_one_that_was_killed() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    killed_after_commit(&app, &users[0], &snacks[0], Like).await;
    probe.set(&snacks[1], "like_count", "0").await;
    let next = app.replica().await;
    // The first intervals run by themselves. The task stops only between them, and the server waits for it.
    next.get(&users[0], "/snacks").await.expect(200);
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let entries = probe.snapshots(&app).await;
        let agree = |snack: &String| entries[snack].redis == Some(entries[snack].rows);
        if snacks.iter().all(agree) {
            break;
        }
        assert!(Instant::now() < deadline, "{entries:?}");
        tokio::task::yield_now().await;
    }
    probe.assert_equal(&app).await;
    reconcile(&app).await;
}
