//! Batches of reactions: one that cannot be written does not affect the others of its statement.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::Connection;
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::test_app::{TestApp, TestUser};

/// Time within which an unblocked reaction gets its response on a busy machine.
const RESPONSE_TIME: Duration = Duration::from_millis(1500);

fn path(snack: &str) -> String {
    format!("/snacks/{snack}/reaction")
}

async fn users(app: &TestApp, count: usize) -> Vec<TestUser> {
    let mut users = Vec::with_capacity(count);
    for _ in 0..count {
        users.push(app.member().await);
    }
    users
}

#[tokio::test]
async fn rows_that_reactions_refer_to_cannot_be_deleted() {
    let app = TestApp::start().await;
    let users = users(&app, 4).await;
    let snack = app.snack(&users[0], "새우깡").await;
    let path = path(&snack);
    let react = async |person: &TestUser| {
        for _ in 0..10 {
            app.post(person, &path, json!({"type": "like"})).await.expect(200);
            app.delete(person, &path).await.expect(200);
        }
        app.post(person, &path, json!({"type": "like"})).await.expect(200);
    };
    let statements = [
        "DELETE FROM users",
        "DELETE FROM snacks",
        "TRUNCATE users CASCADE",
        "TRUNCATE snacks CASCADE",
        "UPDATE users SET id = DEFAULT",
        "UPDATE snacks SET id = DEFAULT",
        "WITH entries AS (DELETE FROM audit_log) DELETE FROM users WHERE id = (SELECT min(id) FROM users)",
    ];
    // Also beside reactions that are being written.
    let delete = async {
        for sql in statements {
            let error = sqlx::query(sql).execute(app.db()).await.expect_err(sql);
            let code = error.as_database_error().and_then(|error| Some(error.code()?.into_owned()));
            assert_eq!(code.as_deref(), Some("23001"), "{sql}: {error}");
        }
    };
    tokio::join!(join_all(users.iter().map(react)), delete);
    let rows: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM snack_reactions JOIN users ON users.id = user_id JOIN snacks ON snacks.id = snack_id",
    )
    .fetch_one(app.db())
    .await
    .expect("a count");
    assert_eq!(rows, 4);
}

#[tokio::test]
async fn a_reaction_of_a_user_who_is_not_there_is_refused_and_the_others_of_its_statement_are_written() {
    use snack_server::reaction::{
        counts::ReactionType,
        store::{ReactionCommand, SINGLE_LOCK_TIMEOUT, write},
    };
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack: Uuid = app.snack(&member, "새우깡").await.parse().expect("a uid");
    let write_reaction = |user| ReactionCommand { snack, user, reaction: Some(ReactionType::Like) };
    let commands = [write_reaction(member.id + 1_000_000), write_reaction(member.id)];
    let outcomes = write(app.db(), &commands, SINGLE_LOCK_TIMEOUT).await.expect("a statement");
    let code = outcomes[0].as_ref().expect_err("an error").code;
    assert_eq!(code, snack_server::error::Code::InvalidToken);
    assert!(outcomes[1].is_ok(), "{outcomes:?}");
}

#[tokio::test]
async fn a_statement_that_fails_for_one_reaction_is_tried_again_for_the_others() {
    let app = TestApp::start().await;
    let others = users(&app, 8).await;
    let snack = app.snack(&others[0], "새우깡").await;
    let invalid = app.snack(&others[0], "고장").await;
    let sql = format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.snack_id = (SELECT id FROM snacks WHERE uid = '{invalid}') THEN RAISE 'on purpose'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER fail BEFORE INSERT ON snack_reactions FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(app.db()).await.expect("a trigger");
    for _ in 0..5 {
        let reactions = others.iter().enumerate().map(|(at, person)| {
            let (app, path) = (&app, path(if at == 0 { &invalid } else { &snack }));
            async move { app.post(person, &path, json!({"type": "like"})).await }
        });
        for (at, response) in join_all(reactions).await.into_iter().enumerate() {
            assert_eq!(response.status, if at == 0 { 500 } else { 200 }, "{response:?}");
        }
        let path = path(&snack);
        for response in join_all(others[1..].iter().map(|person| app.delete(person, &path))).await {
            response.expect(200);
        }
    }
}

#[tokio::test]
async fn a_row_that_somebody_locks_holds_up_its_own_reactions_only() {
    let app = TestApp::start().await;
    let others = users(&app, 8).await;
    let unlocked = app.snack(&others[0], "새우깡").await;
    let locked = app.snack(&others[0], "꼬깔콘").await;
    for person in &others[..4] {
        app.post(person, &path(&locked), json!({"type": "hate"})).await.expect(200);
    }
    let mut connection = sqlx::PgConnection::connect_with(&app.state.config.database).await.expect("Postgres");
    let mut lock = connection.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM snack_reactions WHERE snack_id = (SELECT id FROM snacks WHERE uid = $1::uuid) FOR UPDATE")
        .bind(&locked)
        .execute(&mut *lock)
        .await
        .expect("a lock");
    let react = async |person: &TestUser, snack: &str, method: Method| {
        let begun = Instant::now();
        let request = app.request(method, &path(snack)).bearer_auth(&person.access).json(&json!({"type": "like"}));
        (app.send(request).await, begun.elapsed())
    };
    for _ in 0..4 {
        let blocked = others[..4].iter().map(|person| react(person, &locked, Method::POST));
        // Those of others to the same snack are not locked either.
        let unlocked_reactions = others[4..].iter().enumerate().map(async |(at, person)| {
            let snack = [&unlocked, &locked][at % 2];
            let liked = react(person, snack, Method::POST).await;
            let unliked = react(person, snack, Method::DELETE).await;
            [liked, unliked]
        });
        let (blocked, unlocked_reactions) = tokio::join!(join_all(blocked), join_all(unlocked_reactions));
        for (response, took) in unlocked_reactions.into_iter().flatten() {
            assert_eq!(response.status, 200, "{response:?}");
            assert!(took < RESPONSE_TIME, "a reaction of another user took {took:?}");
        }
        for (response, took) in blocked {
            assert!(!response.header("retry-after").is_empty());
            response.expect_error(503, "unavailable");
            assert!(took < Duration::from_secs(4), "the response came after {took:?}");
        }
    }
    lock.rollback().await.expect("the end of the lock");
    let (response, _) = react(&others[0], &locked, Method::POST).await;
    assert_eq!(response.status, 200, "{response:?}");
}

#[tokio::test]
async fn a_lock_that_goes_in_time_is_waited_for() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let snack = app.snack(&member, "새우깡").await;
    app.post(&member, &path(&snack), json!({"type": "hate"})).await.expect(200);
    let mut connection = sqlx::PgConnection::connect_with(&app.state.config.database).await.expect("Postgres");
    let mut lock = connection.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM snack_reactions FOR UPDATE").execute(&mut *lock).await.expect("a lock");
    let is_blocking = async {
        // Until the reaction has left its batch and waits alone.
        let waits_alone = async {
            while app.state.reactions.lock_waits.available_permits() == 4 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), waits_alone).await.expect("a reaction that waits alone");
        lock.rollback().await.expect("the end of the lock");
    };
    let path = path(&snack);
    let (response, ()) = tokio::join!(app.post(&member, &path, json!({"type": "like"})), is_blocking);
    let response = response.expect(200);
    assert_eq!((&response["my_reaction"], &response["like_reaction_count"]), (&json!("like"), &json!(1)));
}
