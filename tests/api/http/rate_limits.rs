//! Rate limits: failed sign-ins by account and by address, sign-ups by address, changes by user.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use snack_server::{
    app,
    config::{Config, Rate},
};

use crate::support::{
    response::Response,
    test_app::{PASSWORD, TestApp, TestUser},
};

const fn rate(count: u32) -> Rate {
    Rate { count, period: Duration::from_hours(1) }
}

async fn try_to_sign_in(app: &TestApp, email: &str, password: &str, forwarded: &str) -> Response {
    let request = app.request(Method::POST, "/auth/token").header("X-Forwarded-For", forwarded);
    app.send(request.json(&json!({"username": email, "password": password}))).await
}

/// Expects a 429 with a sensible Retry-After.
#[track_caller]
fn expect_limited(response: Response) {
    let wait: u64 = response.header("retry-after").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
    response.expect_error(429, "too_many_requests");
}

#[tokio::test]
async fn an_account_past_its_limit_rejects_the_right_password_too() {
    let app = TestApp::with(|config| config.limit_sign_in_account = rate(3)).await;
    let (first_account, second_account) = (app.member().await, app.member().await);
    for _ in 0..3 {
        try_to_sign_in(&app, &first_account.email, "wrong-password", "").await.expect_error(401, "invalid_credentials");
    }
    expect_limited(try_to_sign_in(&app, &first_account.email, "wrong-password", "").await);
    expect_limited(try_to_sign_in(&app, &format!(" {} ", first_account.email.to_uppercase()), PASSWORD, "").await);
    try_to_sign_in(&app, &second_account.email, PASSWORD, "").await.expect(200);
    // An unknown account is limited like a known one, so that the limit discloses nothing.
    for _ in 0..3 {
        try_to_sign_in(&app, "nobody@snack.example", "wrong-password", "")
            .await
            .expect_error(401, "invalid_credentials");
    }
    expect_limited(try_to_sign_in(&app, "nobody@snack.example", "wrong-password", "").await);
}

#[tokio::test]
async fn a_success_is_free() {
    let app = TestApp::with(|config| {
        config.limit_sign_in_account = rate(2);
        config.limit_sign_in_address = rate(2);
    })
    .await;
    let first_account = app.member().await;
    for _ in 0..5 {
        try_to_sign_in(&app, &first_account.email, PASSWORD, "").await.expect(200);
    }
}

#[tokio::test]
async fn guesses_at_once_do_not_pass_before_the_first_has_failed() {
    let app = TestApp::with(|config| config.limit_sign_in_account = rate(3)).await;
    let first_account = app.member().await;
    let attempts = (0..12).map(|_| try_to_sign_in(&app, &first_account.email, "wrong-password", ""));
    let (attempt, limited): (Vec<_>, Vec<_>) =
        join_all(attempts).await.into_iter().partition(|response| response.status == 401);
    assert_eq!((attempt.len(), limited.len()), (3, 9));
    limited.into_iter().for_each(expect_limited);
}

#[tokio::test]
async fn an_address_is_limited_whatever_it_claims_to_forward() {
    let app = TestApp::with(|config| config.limit_sign_in_address = rate(3)).await;
    let first_account = app.member().await;
    for number in 0..3 {
        let (email, forwarded) = (format!("nobody{number}@snack.example"), format!("203.0.113.{number}"));
        try_to_sign_in(&app, &email, "x", &forwarded).await.expect_error(401, "invalid_credentials");
    }
    expect_limited(try_to_sign_in(&app, &first_account.email, PASSWORD, "198.51.100.7").await);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_tries_of_its_own() {
    let app = TestApp::with(|config| {
        config.limit_sign_in_address = rate(1);
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let failed_sign_in = |forwarded: &'static str| try_to_sign_in(&app, "nobody@snack.example", "x", forwarded);
    failed_sign_in("203.0.113.1").await.expect_error(401, "invalid_credentials");
    expect_limited(failed_sign_in("203.0.113.1").await);
    // Addresses that the client sent before the proxy's are ignored.
    expect_limited(failed_sign_in("198.51.100.9, 203.0.113.1").await);
    failed_sign_in("203.0.113.2").await.expect_error(401, "invalid_credentials");
}

#[tokio::test]
async fn an_address_has_a_limit_of_sign_ups() {
    let app = TestApp::with(|config| config.limit_sign_up_address = rate(2)).await;
    let sign_up = |number: u32| {
        let email = format!("new{number}@snack.example");
        app.post_open("/auth/sign-up", json!({"email": email, "password": PASSWORD, "name": "새 회원"}))
    };
    sign_up(1).await.expect(201);
    // A request that fails validation is not counted.
    app.post_open("/auth/sign-up", json!({"email": "x"})).await.expect_error(400, "validation_failed");
    sign_up(2).await.expect(201);
    expect_limited(sign_up(3).await);
}

/// Trusts the tests' address as a proxy, so that the forwarded address is the client's.
fn trust_proxy(config: &mut Config) {
    config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
}

#[tokio::test]
async fn a_strangers_guesses_do_not_lock_the_owner_out() {
    let app = TestApp::with(|config| {
        config.limit_sign_in_account = rate(3);
        trust_proxy(config);
    })
    .await;
    let first_account = app.member().await;
    for _ in 0..3 {
        let failed_sign_in = try_to_sign_in(&app, &first_account.email, "wrong-password", "203.0.113.1").await;
        failed_sign_in.expect_error(401, "invalid_credentials");
    }
    expect_limited(try_to_sign_in(&app, &first_account.email, PASSWORD, "203.0.113.1").await);
    try_to_sign_in(&app, &first_account.email, PASSWORD, "198.51.100.7").await.expect(200);
}

#[tokio::test]
async fn failed_sign_ins_from_all_addresses_have_ten_times_the_limit_of_an_account() {
    let app = TestApp::with(|config| {
        config.limit_sign_in_account = rate(2);
        trust_proxy(config);
    })
    .await;
    let (first_account, second_account) = (app.member().await, app.member().await);
    for number in 0..20 {
        let failed_sign_in =
            try_to_sign_in(&app, &first_account.email, "wrong-password", &format!("203.0.113.{}", number / 2)).await;
        failed_sign_in.expect_error(401, "invalid_credentials");
    }
    expect_limited(try_to_sign_in(&app, &first_account.email, "wrong-password", "203.0.113.99").await);
    expect_limited(try_to_sign_in(&app, &first_account.email, PASSWORD, "203.0.113.98").await);
    try_to_sign_in(&app, &second_account.email, PASSWORD, "203.0.113.99").await.expect(200);
}

async fn change_password(app: &TestApp, user: &TestUser, current: &str, new: &str) -> Response {
    app.put(user, "/auth/users/password", json!({"current_password": current, "new_password": new})).await
}

#[tokio::test]
async fn wrong_current_passwords_are_failed_sign_ins_and_stand_in_the_audit_log() {
    let app = TestApp::with(|config| config.limit_sign_in_account = rate(3)).await;
    let (admin, first_account, second_account) = (app.admin().await, app.member().await, app.member().await);
    change_password(&app, &first_account, "a-guess-1", "korea-snack-10").await.expect_error(400, "validation_failed");
    try_to_sign_in(&app, &first_account.email, "a-guess-2", "").await.expect_error(401, "invalid_credentials");
    change_password(&app, &first_account, "a-guess-3", "korea-snack-10").await.expect_error(400, "validation_failed");
    expect_limited(change_password(&app, &first_account, PASSWORD, "korea-snack-10").await);
    expect_limited(try_to_sign_in(&app, &first_account.email, PASSWORD, "").await);

    let entries =
        app.get(&admin, &format!("/audit?action=password_change&actor={}", first_account.id)).await.expect(200);
    assert_eq!(entries.column("outcome"), ["wrong_password", "wrong_password"]);
    assert_eq!(entries.column("subject"), [first_account.id.to_string(), first_account.id.to_string()]);
    assert!(!entries.to_string().contains("a-guess"));

    // A change that succeeds, or whose new password is rejected, is not counted.
    for number in 10..15 {
        let (current, new) = (format!("korea-snack-{}", number - 1), format!("korea-snack-{number}"));
        change_password(&app, &second_account, &current, &second_account.email)
            .await
            .expect_error(400, "validation_failed");
        change_password(&app, &second_account, &current, &new).await.expect(204);
    }
}

#[tokio::test]
async fn wrong_current_passwords_at_once_do_not_all_pass() {
    let app = TestApp::with(|config| config.limit_sign_in_account = rate(3)).await;
    let first_account = app.member().await;
    let attempts = (0..12).map(|_| change_password(&app, &first_account, "wrong-password", "korea-snack-10"));
    let (attempt, limited): (Vec<_>, Vec<_>) =
        join_all(attempts).await.into_iter().partition(|response| response.status == 400);
    assert_eq!((attempt.len(), limited.len()), (3, 9));
    limited.into_iter().for_each(expect_limited);
}

#[tokio::test]
async fn a_user_name_longer_than_any_email_is_refused_at_once_and_counts_for_its_address() {
    let app = TestApp::with(|config| {
        config.limit_sign_in_address = rate(20);
        trust_proxy(config);
    })
    .await;
    let (long, longest) = (format!("{}@snack.example", "k".repeat(241)), format!("{}@snack.example", "k".repeat(240)));
    assert_eq!((long.len(), longest.len()), (255, 254));
    let mut fastest = [Duration::MAX; 2];
    for number in 0..20 {
        for (email, fastest) in [&long, &longest].iter().zip(&mut fastest) {
            let started = Instant::now();
            let response = try_to_sign_in(&app, email, PASSWORD, &format!("203.0.113.{}", number / 10)).await;
            response.expect_error(401, "invalid_credentials");
            *fastest = started.elapsed().min(*fastest);
        }
    }
    assert!(fastest[0] * 4 < fastest[1], "{fastest:?}");
    expect_limited(try_to_sign_in(&app, &long, PASSWORD, "203.0.113.0").await);
}

/// Every operation for signed-in users whose method is not safe.
fn operations_that_change() -> Vec<(Method, String)> {
    let document = serde_json::to_value(app::router::document()).expect("a document");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let path = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>();
        for (method, operation) in item.as_object().expect("operations") {
            let signed_in = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
            if signed_in && method != "get" {
                operations.push((method.to_uppercase().parse().expect("a method"), path.join("/")));
            }
        }
    }
    operations
}

#[tokio::test]
async fn a_user_past_the_limit_of_changes_may_still_read() {
    let app = TestApp::with(|config| config.limit_writes_user = rate(3)).await;
    let (first_account, second_account) = (app.member().await, app.member().await);
    app.snack(&first_account, "새우깡").await;
    app.post(&first_account, "/snacks", json!({})).await.expect_error(400, "validation_failed");
    app.put(&first_account, "/snacks/1/status", json!({"status": "unavailable"}))
        .await
        .expect_error(403, "permission_denied");
    let operations = operations_that_change();
    assert!(operations.len() >= 12, "{operations:?}");
    for (method, path) in operations {
        expect_limited(app.send(app.request(method, &path).bearer_auth(&first_account.access)).await);
    }
    for path in ["/snacks", "/auth/users/profile", "/checks/is_authenticated"] {
        app.get(&first_account, path).await.expect(200);
    }
    app.send(app.request(Method::POST, "/snacks").bearer_auth("nonsense")).await.expect_error(401, "invalid_token");
    app.snack(&second_account, "꼬깔콘").await;
}

#[tokio::test]
async fn changes_at_once_do_not_all_pass() {
    let app = TestApp::with(|config| config.limit_writes_user = rate(5)).await;
    let first_account = app.member().await;
    let changes = (0..30).map(|number| {
        let body = json!({"name": format!("과자 {number}"), "price": "1500"});
        app.post(&first_account, "/snacks", body)
    });
    let (done, limited): (Vec<_>, Vec<_>) =
        join_all(changes).await.into_iter().partition(|response| response.status == 201);
    assert_eq!((done.len(), limited.len()), (5, 25));
    limited.into_iter().for_each(expect_limited);
}
