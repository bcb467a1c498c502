//! The member that an identity belongs to.

use futures_util::future::join_all;
use serde_json::{Value, json};
use snack_server::config::SignUpMode;

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
}

/// Invites an email. The same as an admin does, except for the link, which nobody needs here.
async fn invite(app: &TestApp, email: &str, member_type: &str, days: i32) {
    sqlx::query(
        "INSERT INTO invitations (email, email_key, member_type, expires_at)
         VALUES ($1, lower($1), $2::member_type, now() + make_interval(days => $3))",
    )
    .bind(email)
    .bind(member_type)
    .bind(days)
    .execute(app.db())
    .await
    .expect("an invitation");
}

async fn invitations(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM invitations").fetch_one(app.db()).await.expect("a count")
}

/// Email and role of all users.
async fn roles(app: &TestApp) -> Vec<(String, String)> {
    sqlx::query_as("SELECT email, member_type::text FROM users ORDER BY id").fetch_all(app.db()).await.expect("users")
}

#[tokio::test]
async fn where_sign_up_is_for_invited_people_an_invitation_decides() {
    let (app, provider) = with_forging_provider(|config| config.sign_up = SignUpMode::Invited).await;
    expect_denied(&sign_in(&app, &provider, |_| {}).await, "sign_up_closed");
    invite(&app, "other@snack.example", "admin", 7).await;
    invite(&app, EMAIL, "member", 0).await;
    expect_denied(&sign_in(&app, &provider, |_| {}).await, "sign_up_closed");
    sqlx::query("DELETE FROM invitations WHERE email = $1").bind(EMAIL).execute(app.db()).await.expect("no invitation");
    invite(&app, EMAIL, "admin", 7).await;
    // An invitation does not help if somebody else may have the email.
    let page = sign_in(&app, &provider, |claims| claims["email_verified"] = json!(false)).await;
    expect_denied(&page, "email_not_verified");
    assert_eq!((users(&app).await, invitations(&app).await), (0, 2));
    let denied = [("sign_up_closed"), ("sign_up_closed"), ("email_not_verified")];
    let denied = denied.map(|outcome| (EMAIL.to_owned(), outcome.to_owned()));
    assert_eq!(audit(&app, "oidc_sign_in").await, denied);

    let capitals = |claims: &mut Value| claims["email"] = json!(EMAIL.to_uppercase());
    exchange(&app, &code(&sign_in(&app, &provider, capitals).await)).await.expect(200);
    assert_eq!(invitations(&app).await, 1);
    // A member signs in without an invitation.
    exchange(&app, &code(&sign_in(&app, &provider, |_| {}).await)).await.expect(200);
    let roles = roles(&app).await;
    assert_eq!(roles.len(), 1);
    assert_eq!((roles[0].0.to_lowercase().as_str(), roles[0].1.as_str()), (EMAIL, "admin"));
}

#[tokio::test]
async fn an_email_of_another_domain_needs_an_invitation() {
    let (app, provider) =
        with_forging_provider(|config| config.sign_up_email_domains = vec!["office.example".to_owned()]).await;
    let sign_in_as = async |email: &str| sign_in(&app, &provider, |claims| claims["email"] = json!(email)).await;
    for email in ["a@snack.example", "a@sub.office.example", "a@office.example.evil.example"] {
        expect_denied(&sign_in_as(email).await, "domain_not_allowed");
    }
    code(&sign_in_as("a@Office.example").await);
    invite(&app, "b@snack.example", "member", 7).await;
    code(&sign_in_as("b@snack.example").await);
    let member = |email: &str| (email.to_owned(), "member".to_owned());
    let roles: Vec<_> = roles(&app).await.into_iter().map(|(email, role)| (email.to_lowercase(), role)).collect();
    assert_eq!(roles, [member("a@office.example"), member("b@snack.example")]);
}
