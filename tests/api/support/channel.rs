//! Fixtures of channels and deliveries.

use std::time::Duration;

use serde_json::{Map, Value, json};
use snack_server::outbox::{Details, EventType, Message, Readers};
use sqlx::Row;
use tokio::time::timeout;

use crate::support::{
    response::Body,
    test_app::{TestApp, TestUser},
};

/// Starts a server that may send to the receivers of tests.
pub async fn start() -> TestApp {
    TestApp::with(|config| {
        config.outbound_allow_http = true;
        config.outbound_allow_private = true;
    })
    .await
}

/// Creates a channel of all events.
pub async fn create_channel(app: &TestApp, admin: &TestUser, kind: &str, url: &str) -> Body {
    let events: Vec<&str> = EventType::ALL.into_iter().map(EventType::as_str).collect();
    let body = json!({"kind": kind, "name": format!("{kind} 채널"), "url": url, "events": events});
    app.post(admin, "/channels", body).await.expect(201)
}

/// Creates a webhook and returns its id.
pub async fn create_webhook(app: &TestApp, admin: &TestUser, url: &str) -> i64 {
    let created = create_channel(app, admin, "webhook", url).await;
    id(&created)
}

pub fn id(body: &Value) -> i64 {
    body["id"].as_i64().expect("an id")
}

/// An event for channels alone, with a number that tells it from others.
pub fn numbered_event(number: usize) -> Message {
    Message {
        readers: Readers::Nobody,
        kind: None,
        details: Details::default(),
        order: None,
        actor: None,
        event: Some(EventType::BudgetReached),
        data: Map::from_iter([("number".to_owned(), json!(number))]),
    }
}

/// Writes events numbered from 0 in a transaction of their own.
pub async fn write_events(app: &TestApp, count: usize) {
    let mut tx = app.db().begin().await.expect("a transaction");
    for number in 0..count {
        app.state.outbox.write(&mut tx, numbered_event(number)).await.expect("written");
    }
    tx.commit().await.expect("a commit");
    app.state.outbox.committed(Vec::new());
}

/// The deliveries of a channel, oldest first.
pub async fn deliveries(app: &TestApp, admin: &TestUser, channel: i64) -> Vec<Value> {
    let mut rows =
        app.get(admin, &format!("/channels/{channel}/deliveries?limit=100")).await.expect(200).rows().clone();
    rows.reverse();
    rows
}

/// Waits until `is_expected` holds for the only delivery of a channel, and returns it.
pub async fn wait_for_delivery(
    app: &TestApp,
    admin: &TestUser,
    channel: i64,
    is_expected: impl Fn(&Value) -> bool,
) -> Value {
    let last = std::sync::Mutex::new(Value::Null);
    let waiting = async {
        loop {
            let [delivery] = &deliveries(app, admin, channel).await[..] else { panic!("one delivery") };
            if is_expected(delivery) {
                return delivery.clone();
            }
            *last.lock().expect("the last") = delivery.clone();
        }
    };
    let waited = timeout(Duration::from_secs(30), waiting).await;
    waited.unwrap_or_else(|_| panic!("not as expected: {:?}", last.lock()))
}

/// Waits until no delivery is pending.
pub async fn wait_for_all(app: &TestApp) {
    let waiting = async {
        let pending = "SELECT count(*) FROM deliveries WHERE status = 'pending'";
        while sqlx::query_scalar::<_, i64>(pending).fetch_one(app.db()).await.expect("a number") > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_mins(1), waiting).await.expect("the end of all deliveries");
}

/// Moves the next attempts to now, as if their time had come.
pub async fn make_due(app: &TestApp) {
    let sql = "UPDATE deliveries SET next_attempt_at = now() WHERE status = 'pending'";
    sqlx::query(sql).execute(app.db()).await.expect("an update");
    app.state.outbox.wake();
}

/// Seconds until the next attempt of the only pending delivery.
pub async fn seconds_to_next_attempt(app: &TestApp) -> f64 {
    let sql = "SELECT extract(epoch FROM next_attempt_at - now())::float8 AS seconds FROM deliveries WHERE status = 'pending'";
    sqlx::query(sql).fetch_one(app.db()).await.expect("a delivery").get("seconds")
}

/// Adds a disabled channel past the API and returns its id.
pub async fn insert_channel(app: &TestApp) -> i64 {
    let sql = "INSERT INTO channels (kind, name, url, events, language, is_enabled)
        VALUES ('slack', '간식', 'https://192.0.2.1/hook', '{order.created}', 'ko', false) RETURNING id";
    sqlx::query_scalar(sql).fetch_one(app.db()).await.expect("a channel")
}
