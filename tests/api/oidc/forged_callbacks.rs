//! Callbacks that do not belong to the sign-in of their browser.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use snack_server::config::Rate;

use super::{audit, users, with_forging_provider};
use crate::support::{
    forging_provider::callback,
    oidc::{Browser, PUBLIC_URL, code, expect_denied},
    test_app::TestApp,
    tokens::{read, sign},
};

/// `url` with another value of a parameter, or without it.
fn with_parameter(url: &Url, name: &str, value: Option<&str>) -> Url {
    let mut changed = url.clone();
    changed.query_pairs_mut().clear();
    for (other, old) in url.query_pairs().filter(|(other, _)| other != name) {
        changed.query_pairs_mut().append_pair(&other, &old);
    }
    if let Some(value) = value {
        changed.query_pairs_mut().append_pair(name, value);
    }
    changed
}

#[tokio::test]
async fn a_callback_needs_the_cookie_of_its_sign_in() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    let member = app.member().await;
    let mut browser = Browser::default();
    let callback = provider.prepare(&app, &mut browser, |_| {}).await;
    let cookie = browser.flow_cookie().expect("a cookie").to_owned();
    let claims = read(&cookie).1;
    let mut expired = claims.clone();
    expired["exp"] = json!(claims["iat"]);
    let mut other_type = claims.clone();
    other_type["token_type"] = json!("access");
    let mut without_type = claims.clone();
    without_type.as_object_mut().expect("claims").remove("token_type");
    let mut other_state = claims.clone();
    other_state["content"]["state"] = json!("another");
    let signed = |claims: &Value| sign(claims, Algorithm::HS256, TestApp::SECRET);
    let (start, signature) = cookie.rsplit_once('.').expect("a signature");
    let table = [
        ("no cookie", None),
        ("an empty cookie", Some(String::new())),
        ("garbage", Some("garbage".to_owned())),
        ("without its signature", Some(format!("{start}."))),
        ("another signature", Some(format!("{start}.{}", signature.chars().rev().collect::<String>()))),
        ("another key", Some(sign(&claims, Algorithm::HS256, "another secret of the tests, 32 bytes or more"))),
        ("another algorithm", Some(sign(&claims, Algorithm::HS512, TestApp::SECRET))),
        ("expired", Some(signed(&expired))),
        ("another type", Some(signed(&other_type))),
        ("without a type", Some(signed(&without_type))),
        ("another state", Some(signed(&other_state))),
        ("an access token", Some(member.access.clone())),
        ("a refresh token", Some(member.refresh.clone())),
    ];
    for (case, cookie) in &table {
        browser.clear_cookies();
        if let Some(cookie) = cookie {
            browser.set_flow_cookie(cookie);
        }
        let page = browser.follow(&app, &callback).await;
        assert_eq!(page.as_str(), format!("{PUBLIC_URL}/app/sign-in?error=oidc_failed"), "{case}");
    }
    for (name, value) in [("state", None), ("state", Some("another")), ("state", Some("")), ("code", None)] {
        browser.set_flow_cookie(&cookie);
        expect_denied(&browser.follow(&app, &with_parameter(&callback, name, value)).await, "oidc_failed");
    }
    browser.set_flow_cookie(&cookie);
    let other_issuer = with_parameter(&callback, "iss", Some("https://evil.example"));
    expect_denied(&browser.follow(&app, &other_issuer).await, "oidc_failed");
    assert_eq!((provider.exchanges(), users(&app).await), (0, 1));
    let denied = audit(&app, "oidc_sign_in").await;
    assert_eq!(denied.len(), table.len() + 5);
    assert!(denied.iter().all(|entry| *entry == ("(no email)".to_owned(), "oidc_failed".to_owned())), "{denied:?}");

    // The same without a defect.
    browser.set_flow_cookie(&cookie);
    code(&browser.follow(&app, &with_parameter(&callback, "iss", Some(&provider.issuer))).await);
    assert_eq!((provider.exchanges(), users(&app).await), (1, 2));
}

#[tokio::test]
async fn a_callback_belongs_to_one_browser() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    let (mut browser, mut other) = (Browser::default(), Browser::default());
    let callback = provider.prepare(&app, &mut browser, |_| {}).await;
    let other_callback = provider.prepare(&app, &mut other, |_| {}).await;
    expect_denied(&browser.follow(&app, &other_callback).await, "oidc_failed");
    expect_denied(&other.follow(&app, &callback).await, "oidc_failed");
    assert_eq!((provider.exchanges(), users(&app).await), (0, 0));
}

#[tokio::test]
async fn the_cookie_of_a_sign_in_is_no_token() {
    let (app, _provider) = with_forging_provider(|_| {}).await;
    let mut browser = Browser::default();
    browser.start(&app, "").await;
    let cookie = browser.flow_cookie().expect("a cookie");
    let request = app.request(Method::GET, "/checks/is_authenticated").bearer_auth(cookie);
    app.send(request).await.expect_error(401, "invalid_token");
    app.post_open("/auth/token/refresh", json!({"refresh": cookie})).await.expect_error(401, "invalid_token");
    app.post_open("/auth/oidc/token", json!({"code": cookie})).await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn errors_of_the_provider_have_messages_of_their_own() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    for (error, expected) in [
        ("access_denied", "oidc_denied"),
        ("temporarily_unavailable", "oidc_unavailable"),
        ("server_error", "oidc_unavailable"),
        ("invalid_scope", "oidc_failed"),
        ("<script>", "oidc_failed"),
    ] {
        let mut browser = Browser::default();
        let callback = callback(&browser.start(&app, "").await);
        // With a code as well, which must not count.
        let page = browser.follow(&app, &with_parameter(&callback, "error", Some(error))).await;
        expect_denied(&page, expected);
    }
    assert_eq!(provider.exchanges(), 0);
}

#[tokio::test]
async fn an_address_has_a_limit_of_failed_callbacks_and_of_sign_ins_that_it_starts() {
    let (app, provider) = with_forging_provider(|config| {
        config.limit_sign_in_address = Rate { count: 2, period: Duration::from_hours(1) };
    })
    .await;
    for _ in 0..4 {
        // Those that succeed are free.
        let mut browser = Browser::default();
        let callback = provider.prepare(&app, &mut browser, |_| {}).await;
        code(&browser.follow(&app, &callback).await);
    }
    for status in [303, 303, 429, 429] {
        let response = app.send(app.request(Method::GET, "/auth/oidc/callback")).await;
        assert_eq!(response.status, status, "{}", response.text);
    }
    for number in 4..22 {
        let response = app.send(app.request(Method::GET, "/auth/oidc/login")).await;
        assert_eq!(response.status, if number < 20 { 303 } else { 429 }, "{number}: {}", response.text);
    }
}
