//! One's own sessions: the list, and the end of one.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    auth::tokens::refresh,
    support::{
        fixtures::{count, texts, walk},
        test_app::{PASSWORD, TestApp, TestUser},
    },
};

/// Signs in from an address with a user agent.
async fn sign_in(app: &TestApp, user: &TestUser, address: &str, user_agent: &str) -> TestUser {
    let body = json!({"username": user.email, "password": PASSWORD});
    let request = app.request(Method::POST, "/auth/token").header("x-forwarded-for", address);
    let tokens = app.send(request.header("user-agent", user_agent).json(&body)).await.expect(200);
    let text = |name: &str| tokens[name].as_str().expect("a token").to_owned();
    TestUser { access: text("access"), refresh: text("refresh"), ..user.clone() }
}

async fn sessions(app: &TestApp, user: &TestUser) -> Vec<Value> {
    app.get(user, "/auth/sessions").await.expect(200).rows().clone()
}

/// An app behind a proxy, so that clients have addresses of their own.
async fn start() -> TestApp {
    TestApp::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")]).await
}

#[tokio::test]
async fn the_list_tells_where_and_when_each_session_began_and_was_last_used() {
    let app = start().await;
    let laptop = app.member().await;
    let phone = sign_in(&app, &laptop, "203.0.113.9", "Phone/1").await;
    let listed = sessions(&app, &phone).await;
    assert_eq!(texts(&listed, "user_agent")[0], "Phone/1");
    assert_eq!(texts(&listed, "address")[0], "203.0.113.9");
    assert_eq!(listed.iter().map(|row| row["current"] == true).collect::<Vec<_>>(), [true, false]);
    assert_eq!(
        sessions(&app, &laptop).await.iter().map(|row| row["current"] == true).collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(listed[0]["created_at"], listed[0]["last_used_at"]);

    // A refresh is a use. The session stays the same.
    let request = app.request(Method::POST, "/auth/token/refresh").header("x-forwarded-for", "203.0.113.10");
    let request = request.header("user-agent", "가".repeat(10)).json(&json!({"refresh": phone.refresh}));
    let access = app.send(request).await.expect(200)["access"].as_str().expect("access").to_owned();
    let phone = TestUser { access, ..phone };
    let used = sessions(&app, &phone).await;
    assert_eq!((&used[0]["id"], &used[0]["current"]), (&listed[0]["id"], &json!(true)));
    assert_eq!((&used[0]["address"], &used[0]["user_agent"]), (&json!("203.0.113.10"), &json!("")));
    assert_ne!(used[0]["last_used_at"], listed[0]["last_used_at"]);
    assert_eq!(used[0]["created_at"], listed[0]["created_at"]);
    assert_eq!(used[1], listed[1]);
}

#[tokio::test]
async fn a_long_user_agent_is_cut_and_a_use_without_rotation_is_noted() {
    let app = TestApp::with(|config| {
        config.refresh_token_rotation = false;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
    })
    .await;
    let member = app.member().await;
    let phone = sign_in(&app, &member, "203.0.113.9", &"x".repeat(2_000)).await;
    assert_eq!(sessions(&app, &phone).await[0]["user_agent"], "x".repeat(300));
    let request = app.request(Method::POST, "/auth/token/refresh").header("x-forwarded-for", "203.0.113.77");
    let tokens = app.send(request.json(&json!({"refresh": phone.refresh}))).await.expect(200);
    let access = tokens["access"].as_str().expect("access").to_owned();
    let listed = sessions(&app, &TestUser { access, ..phone }).await;
    assert_eq!((&listed[0]["address"], &listed[0]["current"]), (&json!("203.0.113.77"), &json!(true)));
}

#[tokio::test]
async fn an_ended_session_gets_no_more_tokens_and_the_others_go_on() {
    let app = start().await;
    let laptop = app.member().await;
    let phone = sign_in(&app, &laptop, "203.0.113.9", "Phone/1").await;
    let id = sessions(&app, &laptop).await[0]["id"].as_str().expect("an id").to_owned();
    app.delete(&laptop, &format!("/auth/sessions/{id}")).await.expect(204);

    refresh(&app, &phone.refresh).await.expect_error(401, "invalid_token");
    // As at a sign-out, access tokens stay valid until they expire.
    app.get(&phone, "/auth/users/profile").await.expect(200);
    refresh(&app, &laptop.refresh).await.expect(200);
    let listed = sessions(&app, &laptop).await;
    assert_eq!(listed.len(), 1);
    assert_ne!(listed[0]["id"], id.as_str());
    app.delete(&laptop, &format!("/auth/sessions/{id}")).await.expect_error(404, "not_found");
    let entries =
        count(app.db(), "SELECT count(*) FROM audit_log WHERE action = 'session_end' AND outcome = 'ok'").await;
    assert_eq!(entries, 1);
}

#[tokio::test]
async fn sessions_of_others_are_neither_listed_nor_ended() {
    let app = start().await;
    let (member, other, admin) = (app.member().await, app.member().await, app.admin().await);
    let id = sessions(&app, &member).await[0]["id"].as_str().expect("an id").to_owned();
    for user in [&other, &admin] {
        let listed = sessions(&app, user).await;
        assert_eq!(listed.len(), 1);
        assert_ne!(listed[0]["id"], id.as_str());
        app.delete(user, &format!("/auth/sessions/{id}")).await.expect_error(404, "not_found");
    }
    for id in [Uuid::new_v4().to_string(), "7".to_owned(), "%FF".to_owned(), format!("{id}0")] {
        app.delete(&member, &format!("/auth/sessions/{id}")).await.expect_error(404, "not_found");
    }
    refresh(&app, &member.refresh).await.expect(200);
}

#[tokio::test]
async fn sessions_that_were_signed_out_or_have_expired_are_not_listed() {
    let app = start().await;
    let member = app.member().await;
    let (signed_out, expired) =
        (sign_in(&app, &member, "203.0.113.1", "a").await, sign_in(&app, &member, "203.0.113.2", "b").await);
    app.post_open("/auth/logout", json!({"refresh": signed_out.refresh})).await.expect(204);
    let id = sessions(&app, &expired).await[0]["id"].as_str().expect("an id").to_owned();
    let sql = "UPDATE refresh_tokens SET expires_at = now() WHERE session_id = $1::text::uuid";
    sqlx::query(sql).bind(&id).execute(app.db()).await.expect("an update");
    let listed = sessions(&app, &member).await;
    assert_eq!((listed.len(), &listed[0]["current"]), (1, &json!(true)));
    app.delete(&member, &format!("/auth/sessions/{id}")).await.expect_error(404, "not_found");
    app.put(&member, "/auth/users/password", json!({"current_password": PASSWORD, "new_password": "korea-snack-10"}))
        .await
        .expect(204);
    assert_eq!(sessions(&app, &member).await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_pages_of_the_list_skip_and_repeat_none() {
    let app = start().await;
    let member = app.member().await;
    for number in 0..6 {
        sign_in(&app, &member, "203.0.113.9", &format!("agent {number}")).await;
    }
    let rows = walk(&app, &member, "/auth/sessions", 3, async || {}).await;
    let ids: HashSet<&str> = texts(&rows, "id").into_iter().collect();
    assert_eq!((rows.len(), ids.len()), (7, 7));
    assert_eq!(texts(&rows, "user_agent")[..6], ["agent 5", "agent 4", "agent 3", "agent 2", "agent 1", "agent 0"]);
}
