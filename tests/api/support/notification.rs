//! Fixtures of notifications.

use serde_json::Value;

use crate::support::test_app::{TestApp, TestUser};

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
