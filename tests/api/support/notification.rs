//! Fixtures of notifications.

use serde_json::Value;
use snack_server::config::MailConfig;

use crate::support::test_app::{TestApp, TestUser};

/// A server that sends its mails to `url` and trusts the tests as a proxy, so that they can come from many addresses.
pub async fn mailing(url: String) -> TestApp {
    let from = "간식 서버 <snack@office.example>".parse().expect("a mailbox");
    let mail = MailConfig { smtp_url: url.into(), from };
    TestApp::with(|config| {
        config.mail = Some(mail);
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await
}

/// Notifications of a user, newest first.
pub async fn inbox(app: &TestApp, user: &TestUser) -> Vec<Value> {
    app.get(user, "/notifications?limit=100").await.expect(200).rows().clone()
}

/// Kinds of the notifications of a user, newest first.
pub async fn kinds(app: &TestApp, user: &TestUser) -> Vec<String> {
    let kinds = inbox(app, user).await;
    kinds.iter().map(|notification| notification["kind"].as_str().expect("a kind").to_owned()).collect()
}

/// Marks all notifications of a user as read and returns the kinds of those that were not, newest first.
pub async fn take_unread(app: &TestApp, user: &TestUser) -> Vec<String> {
    let unread = app.get(user, "/notifications?unread=true&limit=100").await.expect(200);
    app.put(user, "/notifications/read", serde_json::json!({"all": true})).await.expect(204);
    unread.column("kind").iter().map(|kind| kind.as_str().expect("a kind").to_owned()).collect()
}

/// Token in the link of a mail about a forgotten password.
pub fn reset_token(mail: &Value) -> String {
    link_token(mail, "/app/reset-password?token=")
}

/// Token in the only link of a mail, after `path`. Both parts of the mail have it.
pub fn link_token(mail: &Value, path: &str) -> String {
    let part = |part: &str| mail[part].as_str().expect("a text");
    let (_, rest) = part("plain").split_once(path).expect("a link");
    let token = rest.split_whitespace().next().expect("a token");
    assert!(part("html").contains(&format!("{path}{token}\"")), "{mail}");
    token.to_owned()
}
