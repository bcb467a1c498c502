//! Sign-ins with a real provider, from the first redirect to the tokens.

use reqwest::{Method, Url};
use serde_json::json;

use super::{audit, users, with_forging_provider, with_provider};
use crate::support::{
    oidc::{Browser, OidcProvider, PUBLIC_URL, code, exchange, expect_denied, parameter, use_provider},
    test_app::{PASSWORD, TestApp, TestUser},
};

/// The user of tokens.
async fn user_of(app: &TestApp, code: &str) -> (TestUser, serde_json::Value) {
    let tokens = exchange(app, code).await.expect(200);
    let [access, refresh] = ["access", "refresh"].map(|name| tokens[name].as_str().expect("a token").to_owned());
    let mut user = TestUser { id: 0, email: String::new(), access, refresh };
    let profile = app.get(&user, "/auth/users/profile").await.expect(200).0;
    user.id = profile["id"].as_i64().expect("an id");
    (user, profile)
}

#[tokio::test]
async fn a_stranger_signs_up_and_later_signs_in_through_the_provider() {
    let (app, provider) = with_provider(|_| {}).await;
    provider.add_account("Kim@Office.example", "김간식").await;
    let mut browser = Browser::default();
    let url = browser.start(&app, "?next=/orders%3Fstatus=created").await;
    assert!(url.as_str().starts_with(&format!("{}/auth?", provider.issuer)), "{url}");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "snack"),
        ("code_challenge_method", "S256"),
        ("scope", "openid email profile"),
        ("redirect_uri", &format!("{PUBLIC_URL}/auth/oidc/callback")),
    ] {
        assert_eq!(parameter(&url, name).as_deref(), Some(value), "{url}");
    }
    let callback = browser.authorize(url, "Kim@Office.example").await;
    let response = browser.open(&app, &callback).await;
    assert_eq!((response.header("cache-control"), response.header("referrer-policy")), ("no-store", "no-referrer"));
    let page: Url = response.header("location").parse().expect("a URL");
    let names: Vec<_> = page.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["code", "next"], "{page}");
    assert_eq!(parameter(&page, "next").as_deref(), Some("/orders?status=created"));

    let (user, profile) = user_of(&app, &code(&page)).await;
    assert_eq!((&profile["email"], &profile["name"]), (&json!("Kim@Office.example"), &json!("김간식")));
    assert_eq!(profile["member_type"], "member");
    let refreshed = app.post_open("/auth/token/refresh", json!({"refresh": user.refresh})).await.expect(200);
    assert!(refreshed["access"].is_string());

    let again = Browser::default().sign_in(&app, "Kim@Office.example").await;
    assert_eq!(parameter(&again, "next"), None);
    assert_eq!(user_of(&app, &code(&again)).await.0.id, user.id);
    let entry = |outcome: &str| ("Kim@Office.example".to_owned(), outcome.to_owned());
    assert_eq!(audit(&app, "sign_up").await, [entry("ok")]);
    assert_eq!(audit(&app, "oidc_sign_in").await, [entry("ok"), entry("ok")]);
    let (address, password): (String, Option<String>) = sqlx::query_as(
        "SELECT address, password_hash FROM sessions JOIN users ON users.id = user_id ORDER BY created_at LIMIT 1",
    )
    .fetch_one(app.db())
    .await
    .expect("a session");
    assert_eq!((address.as_str(), password), ("127.0.0.1", None));
    // Nobody has a password for the account.
    for password in ["", PASSWORD] {
        let body = json!({"username": "Kim@Office.example", "password": password});
        let response = app.post_open("/auth/token", body).await;
        assert!([400, 401].contains(&response.status.as_u16()), "{}", response.text);
    }
}

#[tokio::test]
async fn a_member_keeps_the_account_and_its_password() {
    let (app, provider) = with_provider(|_| {}).await;
    let member = app.member().await;
    let email = member.email.to_uppercase();
    provider.add_account(&email, "다른 이름").await;
    let page = Browser::default().sign_in(&app, &email).await;
    let (user, profile) = user_of(&app, &code(&page)).await;
    assert_eq!((user.id, &profile["email"]), (member.id, &json!(member.email)));
    assert_ne!(profile["name"], "다른 이름");
    app.sign_in(member.id, &member.email).await;
    assert_eq!(users(&app).await, 1);
}

#[tokio::test]
async fn claims_may_be_in_the_id_token_and_the_secret_in_the_body() {
    let provider = OidcProvider::start(&["claims=id_token", "auth=client_secret_post"]).await;
    let app = TestApp::with(|config| use_provider(config, &provider.issuer)).await;
    provider
        .set_account("7", json!({"email": "lee@office.example", "email_verified": true, "preferred_username": "lee"}))
        .await;
    let (_, profile) = user_of(&app, &code(&Browser::default().sign_in(&app, "7").await)).await;
    assert_eq!((&profile["email"], &profile["name"]), (&json!("lee@office.example"), &json!("lee")));
}

#[tokio::test]
async fn a_sign_in_may_go_through_two_servers() {
    let (app, provider) = with_provider(|_| {}).await;
    let other = app.replica().await;
    provider.add_account("kim@office.example", "김간식").await;
    let mut browser = Browser::default();
    let url = browser.start(&app, "").await;
    let callback = browser.authorize(url, "kim@office.example").await;
    let page = browser.follow(&other, &callback).await;
    exchange(&app, &code(&page)).await.expect(200);
}

#[tokio::test]
async fn a_sign_in_goes_on_when_the_key_of_tokens_changes() {
    let (app, provider) = with_provider(|_| {}).await;
    provider.add_account("kim@office.example", "김간식").await;
    let mut browser = Browser::default();
    let url = browser.start(&app, "").await;
    let callback = browser.authorize(url, "kim@office.example").await;
    let mut config = app.state.config.as_ref().clone();
    config.jwt_secret_previous = Some(config.jwt_secret.clone());
    config.jwt_secret = "the next secret of the tests, 32 bytes or more".into();
    let restarted = TestApp::serve(config).await;
    code(&browser.follow(&restarted, &callback).await);
}

#[tokio::test]
async fn new_keys_of_the_provider_are_accepted_in_the_middle_of_a_sign_in() {
    let (app, provider) = with_provider(|_| {}).await;
    provider.add_account("kim@office.example", "김간식").await;
    code(&Browser::default().sign_in(&app, "kim@office.example").await);
    let mut browser = Browser::default();
    let url = browser.start(&app, "").await;
    provider.rotate_keys().await;
    let callback = browser.authorize(url, "kim@office.example").await;
    code(&browser.follow(&app, &callback).await);
}

#[tokio::test]
async fn a_used_callback_signs_nobody_in() {
    let (app, provider) = with_provider(|_| {}).await;
    provider.add_account("kim@office.example", "김간식").await;
    let mut browser = Browser::default();
    let url = browser.start(&app, "").await;
    let cookie = browser.flow_cookie().expect("a cookie").to_owned();
    let callback = browser.authorize(url, "kim@office.example").await;
    code(&browser.follow(&app, &callback).await);
    assert_eq!(browser.flow_cookie(), None);
    expect_denied(&browser.follow(&app, &callback).await, "oidc_failed");
    // Somebody who has the cookie as well.
    browser.set_flow_cookie(&cookie);
    expect_denied(&browser.follow(&app, &callback).await, "oidc_failed");
}

#[tokio::test]
async fn a_user_who_cancels_is_told_so() {
    let (app, _provider) = with_provider(|_| {}).await;
    let mut browser = Browser::default();
    expect_denied(&browser.sign_in(&app, "cancel").await, "oidc_denied");
    assert_eq!(browser.flow_cookie(), None);
    assert_eq!(audit(&app, "oidc_sign_in").await, [("(no email)".to_owned(), "oidc_denied".to_owned())]);
}

#[tokio::test]
async fn the_cookie_is_sent_only_to_these_endpoints() {
    for (public_url, attributes) in [
        ("https://office.example/snack", "; Path=/snack/auth/oidc; HttpOnly; SameSite=Lax; Secure"),
        ("http://localhost:8000/", "; Path=/auth/oidc; HttpOnly; SameSite=Lax"),
    ] {
        let (app, _provider) =
            with_forging_provider(|config| config.public_url = public_url.parse().expect("a URL")).await;
        let login = app.send(app.request(Method::GET, "/auth/oidc/login")).await;
        let cookie = login.header("set-cookie").to_owned();
        assert!(cookie.starts_with("oidc_sign_in=ey") && cookie.contains("; Max-Age=600;"), "{cookie}");
        assert!(cookie.ends_with(attributes), "{cookie}");
        assert_eq!((login.header("cache-control"), login.header("referrer-policy")), ("no-store", "no-referrer"));
        let back = app.send(app.request(Method::GET, "/auth/oidc/callback")).await;
        assert_eq!(back.header("set-cookie"), format!("oidc_sign_in=; Max-Age=0{attributes}"));
        let page = format!("{}/app/sign-in?error=oidc_failed", public_url.trim_end_matches('/'));
        assert_eq!(back.header("location"), page);
    }
}

#[tokio::test]
async fn a_sign_in_leads_only_to_pages_of_the_web_app() {
    let (app, _provider) = with_forging_provider(|_| {}).await;
    let long = format!("/{}", "a".repeat(512));
    for next in [
        "//evil.example",
        "/%5Cevil.example",
        "%2F%2Fevil.example",
        "/%255cevil.example",
        "https://evil.example",
        "https:evil.example",
        "/%09/evil.example",
        "/orders%0d%0aSet-Cookie:a=b",
        "orders",
        long.as_str(),
    ] {
        let response = app.send(app.request(Method::GET, &format!("/auth/oidc/login?next={next}"))).await;
        assert_eq!(response.header("set-cookie"), "");
        response.expect_error(400, "invalid_request");
    }
    for next in ["", "/", "/orders/7", "/snacks?search=%EC%83%88%EC%9A%B0%EA%B9%A1"] {
        let response = app.send(app.request(Method::GET, &format!("/auth/oidc/login?next={next}"))).await;
        assert_eq!(response.status, 303, "{next}: {}", response.text);
    }
}

#[tokio::test]
async fn without_a_provider_nothing_is_there() {
    let app = TestApp::start().await;
    for path in ["/auth/oidc/login", "/auth/oidc/callback", "/auth/oidc/login?next=/orders"] {
        app.send(app.request(Method::GET, path)).await.expect_error(404, "not_found");
    }
    exchange(&app, "a code").await.expect_error(401, "invalid_token");
}
