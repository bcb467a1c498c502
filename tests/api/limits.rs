//! How often somebody may try: failed sign-ins by account and by address, sign-ups by address.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use snack_server::config::Rate;

use crate::helpers::{Answer, PASSWORD, TestApp};

const fn rate(count: u32) -> Rate {
    Rate { count, period: Duration::from_hours(1) }
}

async fn try_to_sign_in(app: &TestApp, email: &str, password: &str, forwarded: &str) -> Answer {
    let request = app.request(Method::POST, "/auth/token").header("X-Forwarded-For", forwarded);
    app.send(request.json(&json!({"username": email, "password": password}))).await
}

/// Refused for too many tries, with the time after which another is worth it.
#[track_caller]
fn is_limited(answer: Answer) {
    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
    answer.refused(429, "too_many_requests");
}

#[tokio::test]
async fn an_account_is_closed_to_guesses_and_to_the_right_password_alike_after_so_many() {
    let app = TestApp::with(|config| config.limit_sign_in_account = rate(3)).await;
    let (kim, lee) = (app.member().await, app.member().await);
    for _ in 0..3 {
        try_to_sign_in(&app, &kim.email, "wrong-password", "").await.refused(401, "invalid_credentials");
    }
    is_limited(try_to_sign_in(&app, &kim.email, "wrong-password", "").await);
    is_limited(try_to_sign_in(&app, &format!(" {} ", kim.email.to_uppercase()), PASSWORD, "").await);
    try_to_sign_in(&app, &lee.email, PASSWORD, "").await.expect(200);
    // An account that does not exist is limited as one that does: the limit tells nothing.
    for _ in 0..3 {
        try_to_sign_in(&app, "nobody@snack.example", "wrong-password", "").await.refused(401, "invalid_credentials");
    }
    is_limited(try_to_sign_in(&app, "nobody@snack.example", "wrong-password", "").await);
}

#[tokio::test]
async fn a_success_is_free() {
    let app = TestApp::with(|config| {
        config.limit_sign_in_account = rate(2);
        config.limit_sign_in_address = rate(2);
    })
    .await;
    let kim = app.member().await;
    for _ in 0..5 {
        try_to_sign_in(&app, &kim.email, PASSWORD, "").await.expect(200);
    }
}

#[tokio::test]
async fn guesses_at_once_do_not_pass_before_the_first_has_failed() {
    let app = TestApp::with(|config| config.limit_sign_in_account = rate(3)).await;
    let kim = app.member().await;
    let guesses = (0..12).map(|_| try_to_sign_in(&app, &kim.email, "wrong-password", ""));
    let (guessed, limited): (Vec<_>, Vec<_>) =
        join_all(guesses).await.into_iter().partition(|answer| answer.status == 401);
    assert_eq!((guessed.len(), limited.len()), (3, 9));
    limited.into_iter().for_each(is_limited);
}

#[tokio::test]
async fn an_address_that_guesses_is_closed_whatever_it_claims_to_forward() {
    let app = TestApp::with(|config| config.limit_sign_in_address = rate(3)).await;
    let kim = app.member().await;
    for number in 0..3 {
        let (email, forwarded) = (format!("nobody{number}@snack.example"), format!("203.0.113.{number}"));
        try_to_sign_in(&app, &email, "x", &forwarded).await.refused(401, "invalid_credentials");
    }
    is_limited(try_to_sign_in(&app, &kim.email, PASSWORD, "198.51.100.7").await);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_tries_of_its_own() {
    let app = TestApp::with(|config| {
        config.limit_sign_in_address = rate(1);
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let guess = |forwarded: &'static str| try_to_sign_in(&app, "nobody@snack.example", "x", forwarded);
    guess("203.0.113.1").await.refused(401, "invalid_credentials");
    is_limited(guess("203.0.113.1").await);
    // What the client wrote in front of what the proxy wrote is worth nothing.
    is_limited(guess("198.51.100.9, 203.0.113.1").await);
    guess("203.0.113.2").await.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn an_address_signs_up_so_many_and_no_more() {
    let app = TestApp::with(|config| config.limit_sign_up_address = rate(2)).await;
    let sign_up = |number: u32| {
        let email = format!("new{number}@snack.example");
        app.post_open("/auth/sign-up", json!({"email": email, "password": PASSWORD, "name": "새 회원"}))
    };
    sign_up(1).await.expect(201);
    // A request that breaks a rule of its own is not counted.
    app.post_open("/auth/sign-up", json!({"email": "x"})).await.refused(400, "validation_failed");
    sign_up(2).await.expect(201);
    is_limited(sign_up(3).await);
}
