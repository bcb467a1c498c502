//! Passwords: the normalised form that is compared, and hashes from releases without one.

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version, password_hash::PasswordHasher};
use futures_util::future::join_all;
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

use crate::support::{
    process::Run,
    response::Response,
    test_app::{PASSWORD, TestApp, TestUser},
};

const TYPED: &str = "새우깡과 꼬깔콘 사랑";

async fn sign_up(app: &TestApp, email: &str, password: &str) -> Response {
    app.post_open("/auth/sign-up", json!({"email": email, "password": password, "name": "김간식"})).await
}

async fn sign_in(app: &TestApp, email: &str, password: &str) -> Response {
    app.post_open("/auth/token", json!({"username": email, "password": password})).await
}

async fn change(app: &TestApp, user: &TestUser, current: &str, new: &str) -> Response {
    app.put(user, "/auth/users/password", json!({"current_password": current, "new_password": new})).await
}

fn decomposed(text: &str) -> String {
    text.nfd().collect()
}

/// Stores a hash of exactly these bytes, as releases without normalisation did.
async fn store_hash(app: &TestApp, user: &TestUser, password: &str, params: Params) -> String {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password(password.as_bytes()).expect("a hash").to_string();
    sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
        .bind(user.id)
        .bind(&hash)
        .execute(app.db())
        .await
        .expect("an update");
    hash
}

async fn stored_hash(app: &TestApp, user: &TestUser) -> String {
    sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1")
        .bind(user.id)
        .fetch_one(app.db())
        .await
        .expect("a hash")
}

#[tokio::test]
async fn a_password_is_the_same_in_every_unicode_form() {
    let app = TestApp::start().await;
    let forms = [TYPED.to_owned(), decomposed(TYPED), TYPED.replace(' ', "\u{3000}")];
    assert_ne!(forms[0], forms[1]);
    for (number, form) in forms.iter().enumerate() {
        let email = format!("kim{number}@snack.example");
        sign_up(&app, &email, form).await.expect(201);
        for other in &forms {
            sign_in(&app, &email, other).await.expect(200);
        }
        sign_in(&app, &email, "새우깡과 꼬깔콘 사탕").await.expect_error(401, "invalid_credentials");
    }
    let member = app.member().await;
    change(&app, &member, PASSWORD, &forms[1]).await.expect(204);
    sign_in(&app, &member.email, &forms[0]).await.expect(200);
    change(&app, &member, &forms[2], PASSWORD).await.expect(204);
    sign_in(&app, &member.email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_admin_of_the_command_line_has_the_same_password_in_every_form() {
    let app = TestApp::start().await;
    let arguments = ["create-admin", "--email", "boss@snack.example", "--name", "관리자"];
    let run = Run::on(&app.state.config.database, &arguments).set("SNACK_ADMIN_PASSWORD", &decomposed(TYPED));
    run.end().await.expect_success();
    sign_in(&app, "boss@snack.example", TYPED).await.expect(200);
    sign_in(&app, "boss@snack.example", &decomposed(TYPED)).await.expect(200);
}

#[tokio::test]
async fn the_rules_of_a_password_hold_for_the_form_in_which_it_is_compared() {
    let app = TestApp::start().await;
    let syllables = "가나다라마바사아".repeat(16);
    assert_eq!(syllables.chars().count(), 128);
    for (number, accepted) in [decomposed(&syllables), "㍿과자".repeat(2), "ﷺ".repeat(7)].iter().enumerate() {
        sign_up(&app, &format!("sound{number}@snack.example"), accepted).await.expect(201);
    }
    let table = [
        (decomposed("가나다라마바사"), "too_short"),
        (decomposed(&format!("{syllables}가")), "too_long"),
        ("ﷺ".repeat(8), "too_long"),
        ("ﷺ".repeat(20_000), "too_long"),
        ("ｐａｓｓｗｏｒｄ１".to_owned(), "too_common"),
        ("Ｎｏｂｏｄｙ２０２６".to_owned(), "too_personal"),
    ];
    let member = app.member().await;
    for (password, code) in table {
        let problem = sign_up(&app, "nobody@snack.example", &password).await.expect_error(400, "validation_failed");
        assert_eq!((&problem["errors"][0]["code"], problem.error_fields()), (&json!(code), vec!["password"]));
        if code != "too_personal" {
            let problem = change(&app, &member, PASSWORD, &password).await.expect_error(400, "validation_failed");
            assert_eq!((&problem["errors"][0]["code"], problem.error_fields()), (&json!(code), vec!["new_password"]));
        }
    }
}

#[tokio::test]
async fn a_password_longer_than_any_is_a_wrong_one() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let long = "ﷺ".repeat(20_000);
    sign_in(&app, &member.email, &long).await.expect_error(401, "invalid_credentials");
    sign_in(&app, "nobody@snack.example", &long).await.expect_error(401, "invalid_credentials");
    let problem = change(&app, &member, &long, "korea-snack-10").await.expect_error(400, "validation_failed");
    assert_eq!(problem["errors"][0]["code"], "wrong_password");
}

#[tokio::test]
async fn a_hash_made_before_works_and_is_replaced_by_one_of_the_form() {
    let app = TestApp::start().await;
    let (member, other) = (app.member().await, app.member().await);
    let typed = decomposed(TYPED);
    let old = store_hash(&app, &member, &typed, Params::DEFAULT).await;
    // Only a successful sign-in replaces the hash.
    sign_in(&app, &member.email, TYPED).await.expect_error(401, "invalid_credentials");
    sign_in(&app, &member.email, &decomposed("새우깡")).await.expect_error(401, "invalid_credentials");
    assert_eq!(stored_hash(&app, &member).await, old);

    // Concurrent sign-ins all succeed, although one of them replaces the hash that the others have read.
    for response in join_all((0..6).map(|_| sign_in(&app, &member.email, &typed))).await {
        let tokens = response.expect(200);
        app.post_open("/auth/token/refresh", json!({"refresh": tokens["refresh"]})).await.expect(200);
    }
    let new = stored_hash(&app, &member).await;
    assert_ne!(new, old);
    sign_in(&app, &member.email, TYPED).await.expect(200);
    sign_in(&app, &member.email, &typed).await.expect(200);
    assert_eq!(stored_hash(&app, &member).await, new, "a hash of the form stays");

    store_hash(&app, &other, &typed, Params::DEFAULT).await;
    change(&app, &other, &typed, "korea-snack-10").await.expect(204);
    sign_in(&app, &other.email, "korea-snack-10").await.expect(200);
}

#[tokio::test]
async fn somebody_who_resigned_keeps_the_old_hash() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let typed = decomposed(TYPED);
    let old = store_hash(&app, &member, &typed, Params::DEFAULT).await;
    app.delete(&member, "/auth/users/resign").await.expect(204);
    sign_in(&app, &member.email, &typed).await.expect_error(401, "invalid_credentials");
    assert_eq!(stored_hash(&app, &member).await, old);
}

#[tokio::test]
async fn a_hash_of_other_costs_works() {
    let app = TestApp::start().await;
    let member = app.member().await;
    for (memory, time, lanes) in [(64, 3, 1), (40_000, 1, 2)] {
        let params = Params::new(memory, time, lanes, None).expect("parameters");
        store_hash(&app, &member, PASSWORD, params).await;
        sign_in(&app, &member.email, PASSWORD).await.expect(200);
        sign_in(&app, &member.email, "not the password").await.expect_error(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn a_password_in_another_form_costs_the_same_whether_there_is_an_account_or_not() {
    let app = TestApp::start().await;
    let (member, resigned_user) = (app.member().await, app.member().await);
    let typed = decomposed(TYPED);
    for person in [&member, &resigned_user] {
        store_hash(&app, person, TYPED, Params::DEFAULT).await;
    }
    app.delete(&resigned_user, "/auth/users/resign").await.expect(204);
    let failed = decomposed("꼬깔콘과 새우깡 사랑");
    // The fastest of several attempts: load slows some of them down, but leaving out one of two hashes speeds all of
    // them up by two fifths.
    let attempts = [
        (member.email.as_str(), failed.as_str()),
        ("nobody@snack.example", failed.as_str()),
        (resigned_user.email.as_str(), failed.as_str()),
        (resigned_user.email.as_str(), typed.as_str()),
    ];
    let mut fastest = [Duration::MAX; 4];
    for _ in 0..100 {
        for ((email, password), fastest) in attempts.iter().zip(&mut fastest) {
            let started = Instant::now();
            sign_in(&app, email, password).await.expect_error(401, "invalid_credentials");
            *fastest = started.elapsed().min(*fastest);
        }
        let (shortest, longest) = (fastest.iter().min().expect("one"), fastest.iter().max().expect("one"));
        if *shortest * 3 > *longest * 2 {
            return;
        }
    }
    panic!("{fastest:?}");
}
