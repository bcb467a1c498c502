//! Tokens: their claims, the use of refresh tokens, the end of a session, and tokens that must be rejected.

use std::time::Duration;

use chrono::Utc;
use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use snack_server::{db::locks::Lock, operations};
use uuid::Uuid;

use crate::support::{
    response::Response,
    test_app::TestApp,
    tokens::{read, sign},
};

pub async fn refresh(app: &TestApp, token: &str) -> Response {
    app.post_open("/auth/token/refresh", json!({"refresh": token})).await
}

/// Exchanges a valid refresh token and returns its successor.
pub async fn exchange(app: &TestApp, token: &str) -> String {
    let pair = refresh(app, token).await.expect(200);
    pair["refresh"].as_str().expect("a refresh token").to_owned()
}

pub async fn sign_out(app: &TestApp, token: &str) {
    app.post_open("/auth/logout", json!({"refresh": token})).await.expect(204);
}

pub async fn bearer(app: &TestApp, token: &str) -> Response {
    app.send(app.request(Method::GET, "/checks/is_authenticated").bearer_auth(token)).await
}

/// Moves the use of the refresh token `seconds` into the past.
async fn spent_earlier(app: &TestApp, token: &str, seconds: f64) {
    let jti: Uuid = read(token).1["jti"].as_str().expect("jti").parse().expect("a uuid");
    let spent = sqlx::query("UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => $2) WHERE jti = $1 AND used_at IS NOT NULL")
        .bind(jti)
        .bind(seconds)
        .execute(app.db())
        .await
        .expect("an update");
    assert_eq!(spent.rows_affected(), 1);
}

#[tokio::test]
async fn a_token_says_what_the_contract_says_and_no_more() {
    let app = TestApp::with(|config| {
        config.access_token_ttl = Duration::from_secs(77);
        config.refresh_token_ttl = Duration::from_secs(7_777);
    })
    .await;
    let member = app.member().await;
    let secret = app.state.config.jwt_secret.expose_secret().to_owned();
    for (token, kind, seconds) in [(&member.access, "access", 77), (&member.refresh, "refresh", 7_777)] {
        let (header, claims) = read(token);
        assert_eq!(header, json!({"alg": "HS256", "typ": "JWT"}));
        let (issued, expires) = (claims["iat"].as_i64().expect("iat"), claims["exp"].as_i64().expect("exp"));
        let jti = claims["jti"].as_str().expect("jti");
        let mut expected = json!({"token_type": kind, "user_id": member.id, "jti": jti, "iat": issued, "exp": expires});
        if kind == "access" {
            let session = sqlx::query_scalar::<_, Uuid>("SELECT id FROM sessions WHERE user_id = $1").bind(member.id);
            let session = session.fetch_one(app.db()).await.expect("a session");
            expected["sid"] = json!(session);
        }
        assert_eq!(claims, expected);
        assert!((Utc::now().timestamp() - issued).abs() < 30, "{issued}");
        assert!((expires - issued - seconds).abs() <= 1, "{claims}");
        // The key is the bytes of the secret, so that other programs can verify tokens.
        decode::<Value>(token, &DecodingKey::from_secret(secret.as_bytes()), &Validation::new(Algorithm::HS256))
            .expect("a signature");
    }
    let again = app.sign_in(member.id, &member.email).await;
    let mut names: Vec<_> = [&member.access, &member.refresh, &again.access, &again.refresh]
        .map(|token| read(token).1["jti"].to_string())
        .to_vec();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4);
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_a_new_pair() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let pair = refresh(&app, &member.refresh).await.expect(200);
    let (access, successor) = (pair["access"].as_str().expect("access"), pair["refresh"].as_str().expect("refresh"));
    assert_ne!(successor, member.refresh);
    assert_ne!(access, member.access);
    assert_eq!(read(successor).1["user_id"], member.id);
    bearer(&app, access).await.expect(200);
    bearer(&app, &member.access).await.expect(200);
    exchange(&app, successor).await;
}

#[tokio::test]
async fn a_spent_token_gets_another_pair_of_the_same_sign_in_within_the_grace() {
    let app = TestApp::with(|config| config.refresh_token_grace = Duration::from_mins(10)).await;
    let member = app.member().await;
    let first = exchange(&app, &member.refresh).await;
    spent_earlier(&app, &member.refresh, 500.0).await;
    let second = exchange(&app, &member.refresh).await;
    assert_ne!(first, second);
    let (first, second) = (exchange(&app, &first).await, exchange(&app, &second).await);
    // Both belong to one session: signing out with one of them ends the other.
    sign_out(&app, &first).await;
    refresh(&app, &second).await.expect_error(401, "invalid_token");
    refresh(&app, &member.refresh).await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn a_spent_token_after_the_grace_ends_its_sign_in_and_no_other() {
    let app = TestApp::with(|config| config.refresh_token_grace = Duration::from_mins(10)).await;
    let (member, other_user) = (app.member().await, app.member().await);
    let other_session = app.sign_in(member.id, &member.email).await;
    let successor = exchange(&app, &member.refresh).await;
    let within_the_grace = exchange(&app, &member.refresh).await;
    spent_earlier(&app, &member.refresh, 601.0).await;

    refresh(&app, &member.refresh).await.expect_error(401, "invalid_token");
    refresh(&app, &successor).await.expect_error(401, "invalid_token");
    refresh(&app, &within_the_grace).await.expect_error(401, "invalid_token");
    // Access tokens stay valid until they expire, and so do other sessions.
    bearer(&app, &member.access).await.expect(200);
    exchange(&app, &other_session.refresh).await;
    exchange(&app, &other_user.refresh).await;
}

#[tokio::test]
async fn the_second_use_of_an_old_token_ends_even_the_newest_successor() {
    let app = TestApp::with(|config| config.refresh_token_grace = Duration::ZERO).await;
    let member = app.member().await;
    let second = exchange(&app, &member.refresh).await;
    let third = exchange(&app, &second).await;
    let fourth = exchange(&app, &third).await;
    refresh(&app, &member.refresh).await.expect_error(401, "invalid_token");
    refresh(&app, &fourth).await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn of_parallel_refreshes_without_a_grace_one_gets_a_pair() {
    let app = TestApp::with(|config| config.refresh_token_grace = Duration::ZERO).await;
    let replica = app.replica().await;
    for _ in 0..5 {
        let member = app.member().await;
        let attempts = (0..10).map(|number| refresh(if number % 2 == 0 { &app } else { &replica }, &member.refresh));
        let (successes, failures): (Vec<_>, Vec<_>) =
            join_all(attempts).await.into_iter().partition(|response| response.status == 200);
        assert_eq!(successes.len(), 1);
        for response in failures {
            response.expect_error(401, "invalid_token");
        }
        // The other uses count as theft, so the session has ended.
        let successor = successes[0].body["refresh"].as_str().expect("a token");
        refresh(&app, successor).await.expect_error(401, "invalid_token");
    }
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_both_go_on() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let attempts = (0..6).map(|_| refresh(&app, &member.refresh));
    for response in join_all(attempts).await {
        let pair = response.expect(200);
        exchange(&app, pair["refresh"].as_str().expect("a token")).await;
    }
}

#[tokio::test]
async fn a_spent_token_gets_five_more_pairs_within_the_grace_and_then_the_sign_in_goes_on() {
    let app = TestApp::with(|config| config.refresh_token_grace = Duration::from_mins(10)).await;
    let (admin, member) = (app.admin().await, app.member().await);
    let mut successors = Vec::new();
    for _ in 0..6 {
        successors.push(exchange(&app, &member.refresh).await);
    }
    for _ in 0..3 {
        refresh(&app, &member.refresh).await.expect_error(401, "invalid_token");
    }
    for successor in successors {
        exchange(&app, &successor).await;
    }
    assert!(app.get(&admin, "/audit?action=refresh_token_reuse").await.expect(200).rows().is_empty());
    // After the grace period another use counts as theft again.
    spent_earlier(&app, &member.refresh, 601.0).await;
    refresh(&app, &member.refresh).await.expect_error(401, "invalid_token");
    assert_eq!(app.get(&admin, "/audit?action=refresh_token_reuse").await.expect(200).rows().len(), 1);
}

#[tokio::test]
async fn of_fifty_uses_of_one_token_at_once_six_get_a_pair() {
    let app = TestApp::with(|config| config.refresh_token_grace = Duration::from_mins(10)).await;
    let replica = app.replica().await;
    let member = app.member().await;
    let uses = (0..50).map(|number| refresh(if number % 2 == 0 { &app } else { &replica }, &member.refresh));
    let (successes, failures): (Vec<_>, Vec<_>) =
        join_all(uses).await.into_iter().partition(|response| response.status == 200);
    assert_eq!((successes.len(), failures.len()), (6, 44));
    for response in failures {
        response.expect_error(401, "invalid_token");
    }
    for response in successes {
        exchange(&app, response.body["refresh"].as_str().expect("a token")).await;
    }
}

#[tokio::test]
async fn without_rotation_a_refresh_token_stays_good_until_it_is_signed_out() {
    let app = TestApp::with(|config| config.refresh_token_rotation = false).await;
    let member = app.member().await;
    for _ in 0..3 {
        let response = refresh(&app, &member.refresh).await.expect(200);
        assert_eq!(response.as_object().expect("an object").keys().collect::<Vec<_>>(), ["access"]);
        bearer(&app, response["access"].as_str().expect("a token")).await.expect(200);
    }
    sign_out(&app, &member.refresh).await;
    refresh(&app, &member.refresh).await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn signing_out_ends_one_sign_in_and_leaves_access_tokens_alone() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let other_session = app.sign_in(member.id, &member.email).await;
    let successor = exchange(&app, &member.refresh).await;
    sign_out(&app, &successor).await;
    refresh(&app, &successor).await.expect_error(401, "invalid_token");
    bearer(&app, &member.access).await.expect(200);
    exchange(&app, &other_session.refresh).await;
    // Repeating it is no error, and neither is an unknown token.
    sign_out(&app, &successor).await;
    sign_out(&app, "nonsense").await;
}

#[tokio::test]
async fn an_access_token_signs_nobody_out() {
    let app = TestApp::start().await;
    let member = app.member().await;
    sign_out(&app, &member.access).await;
    // A forged refresh token does not end the session either.
    let forged = sign(&read(&member.refresh).1, Algorithm::HS256, "another secret, also of 32 bytes or more");
    sign_out(&app, &forged).await;
    exchange(&app, &member.refresh).await;
}

#[tokio::test]
async fn signing_out_and_refreshing_need_a_token_in_the_body() {
    let app = TestApp::start().await;
    for path in ["/auth/logout", "/auth/token/refresh"] {
        for body in [json!({}), json!({"refresh": ""})] {
            let problem = app.post_open(path, body).await.expect_error(400, "validation_failed");
            assert_eq!(problem.error_fields(), ["refresh"]);
        }
        app.post_open(path, json!({"refresh": 7})).await.expect_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_refresh_token_expires() {
    let app = TestApp::start().await;
    let member = app.member().await;
    sqlx::query("UPDATE refresh_tokens SET expires_at = now() - interval '1 second'")
        .execute(app.db())
        .await
        .expect("an update");
    refresh(&app, &member.refresh).await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn tokens_of_the_previous_key_hold_while_keys_are_being_changed() {
    let old = TestApp::start().await;
    let member = old.member().await;
    let mut config = old.state.config.as_ref().clone();
    config.jwt_secret_previous = Some(std::mem::replace(
        &mut config.jwt_secret,
        SecretString::from("the key that comes next, of 32 bytes or more"),
    ));
    let new = TestApp::serve(config.clone()).await;
    bearer(&new, &member.access).await.expect(200);
    let pair = refresh(&new, &member.refresh).await.expect(200);
    // New tokens are signed with the new key.
    let access = pair["access"].as_str().expect("a token");
    bearer(&new, access).await.expect(200);
    bearer(&old, access).await.expect_error(401, "invalid_token");
    config.jwt_secret_previous = None;
    let changed = TestApp::serve(config).await;
    bearer(&changed, access).await.expect(200);
    bearer(&changed, &member.access).await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn expired_tokens_are_cleaned_away_with_the_sign_ins_that_are_left_without_any() {
    let app = TestApp::start().await;
    let (deleted_user, half, live) = (app.member().await, app.member().await, app.member().await);
    // A session with an expired and a valid token.
    app.post_open("/auth/token/refresh", json!({"refresh": half.refresh})).await.expect(200);
    let expire = "UPDATE refresh_tokens SET expires_at = now() - interval '1 s' FROM sessions
        WHERE sessions.id = session_id AND (user_id = $1 OR (user_id = $2 AND used_at IS NOT NULL))";
    sqlx::query(expire).bind(deleted_user.id).bind(half.id).execute(app.db()).await.expect("an update");

    operations::cleanup::remove_expired(app.db()).await.expect("a cleaning");

    let left = "SELECT user_id, count(jti) FROM sessions JOIN refresh_tokens ON session_id = sessions.id GROUP BY 1 ORDER BY 1";
    let left: Vec<(i64, i64)> = sqlx::query_as(left).fetch_all(app.db()).await.expect("the rows");
    assert_eq!(left, [(half.id, 1), (live.id, 1)]);
    let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(app.db()).await.expect("a count");
    assert_eq!(sessions, 2);
    app.post_open("/auth/token/refresh", json!({"refresh": live.refresh})).await.expect(200);
}

#[tokio::test]
async fn of_several_servers_one_cleans_at_a_time() {
    let app = TestApp::start().await;
    app.member().await;
    let expire = "UPDATE refresh_tokens SET expires_at = now() - interval '1 s'";
    sqlx::query(expire).execute(app.db()).await.expect("an update");
    let tokens = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM refresh_tokens").fetch_one(app.db()).await.expect("a count")
    };

    let mut other = app.db().begin().await.expect("another server");
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(Lock::Cleanup as i64);
    lock.execute(&mut *other).await.expect("its lock");
    operations::cleanup::remove_expired(app.db()).await.expect("nothing to do");
    assert_eq!(tokens().await, 1);

    other.rollback().await.expect("its end");
    operations::cleanup::remove_expired(app.db()).await.expect("a cleaning");
    assert_eq!(tokens().await, 0);
}
