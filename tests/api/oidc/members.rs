//! The member that an identity belongs to.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{audit, users, with_forging_provider, with_provider};
use crate::support::{
    forging_provider::{EMAIL, ForgingProvider},
    oidc::{Browser, code, exchange, expect_denied},
    test_app::TestApp,
};

/// Page that a sign-in leads to whose claims are those that `change` makes of valid ones.
async fn sign_in(app: &TestApp, provider: &ForgingProvider, change: impl FnOnce(&mut Value)) -> reqwest::Url {
    let mut browser = Browser::default();
    let callback = provider.prepare(app, &mut browser, change).await;
    browser.follow(app, &callback).await
}

#[tokio::test]
async fn an_unverified_or_missing_email_signs_nobody_in() {
    let (app, provider) = with_provider(|_| {}).await;
    let member = app.member().await;
    provider.set_account("unverified", json!({"email": member.email, "email_verified": false, "name": "김"})).await;
    provider.set_account("unknown", json!({"email": member.email, "name": "김"})).await;
    provider.set_account("none", json!({"name": "김"})).await;
    for account in ["unverified", "unknown", "none"] {
        expect_denied(&Browser::default().sign_in(&app, account).await, "email_not_verified");
    }
    let entry = |subject: &str| (subject.to_owned(), "email_not_verified".to_owned());
    let expected = [entry(&member.email), entry(&member.email), entry("(no email)")];
    assert_eq!(audit(&app, "oidc_sign_in").await, expected);
    assert_eq!(users(&app).await, 1);
}

#[tokio::test]
async fn somebody_who_has_left_is_told_so() {
    let (app, provider) = with_provider(|_| {}).await;
    let member = app.member().await;
    app.delete(&member, "/auth/users/resign").await.expect(204);
    provider.add_account(&member.email, "김간식").await;
    expect_denied(&Browser::default().sign_in(&app, &member.email).await, "email_resigned");
    assert_eq!(audit(&app, "oidc_sign_in").await, [(member.email, "email_resigned".to_owned())]);
}

#[tokio::test]
async fn callbacks_at_once_of_a_new_email_sign_up_one_user() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    let mut browsers = Vec::new();
    for _ in 0..6 {
        let mut browser = Browser::default();
        let url = browser.start(&app, "").await;
        browsers.push((browser, url));
    }
    // The provider sends the same ID token to all, so the nonce is that of one sign-in, whose cookie all have.
    let (first, url) = &browsers[0];
    let cookie = first.flow_cookie().expect("a cookie").to_owned();
    provider.set_id_token(provider.key.sign(&provider.claims(url)));
    let callback = crate::support::forging_provider::callback(url);
    let pages = join_all(browsers.iter_mut().map(|(browser, _)| {
        browser.set_flow_cookie(&cookie);
        browser.follow(&app, &callback)
    }));
    for page in pages.await {
        exchange(&app, &code(&page)).await.expect(200);
    }
    assert_eq!(users(&app).await, 1);
    assert_eq!(audit(&app, "sign_up").await.len(), 1);
    assert_eq!(audit(&app, "oidc_sign_in").await.len(), 6);
}

#[tokio::test]
async fn an_email_that_nobody_can_have_is_not_signed_up() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    for email in ["nonsense", "김@office.example", "a@b@c", &format!("{}@office.example", "a".repeat(300))] {
        let page = sign_in(&app, &provider, |claims| claims["email"] = json!(email)).await;
        expect_denied(&page, "oidc_failed");
    }
    assert_eq!(users(&app).await, 0);
}

#[tokio::test]
async fn a_name_follows_the_rules_of_names() {
    let (app, provider) = with_forging_provider(|_| {}).await;
    let table = [
        ("a@office.example", json!("  이과자  "), Value::Null, "이과자"),
        ("b@office.example", json!("가".repeat(60)), Value::Null, &*"가".repeat(50)),
        ("c@office.example", json!("\u{200b}"), json!("c-user"), "c-user"),
        ("d@office.example", json!("a\u{202e}b"), json!("a\nb"), "d"),
    ];
    for (email, name, username, expected) in table {
        let page = sign_in(&app, &provider, |claims| {
            claims["email"] = json!(email);
            claims["name"] = name;
            claims["preferred_username"] = username;
        })
        .await;
        code(&page);
        let name: String = sqlx::query_scalar("SELECT name FROM users WHERE email = $1")
            .bind(email)
            .fetch_one(app.db())
            .await
            .expect("a name");
        assert_eq!(name, expected, "{email}");
    }
    let _ = EMAIL;
}
