//! Several channels, several servers, servers that end, and transactions that are rolled back.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::json;
use snack_server::outbox::sender::{AttemptResult, Outcome, finish};
use sqlx::{Connection, PgConnection};
use tokio::sync::Semaphore;

use crate::support::{
    channel::{
        create_webhook, deliveries, make_due, numbered_event, start, wait_for_all, wait_for_delivery, write_events,
    },
    database,
    proxy::Mode,
    receiver::{Answer, Received, Receiver},
    test_app::TestApp,
};

/// Attempts that a server has under way for one channel.
const UNDER_WAY: usize = 4;

fn numbers(requests: &[Received]) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        requests.iter().map(|request| request.json()["data"]["number"].as_u64().expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

fn ids(requests: &[Received]) -> HashSet<&str> {
    requests.iter().map(|request| request.header("webhook-id")).collect()
}

#[tokio::test]
async fn a_slow_receiver_delays_no_other_and_holds_no_connection() {
    let app = start().await;
    let admin = app.admin().await;
    let release = Arc::new(Semaphore::new(0));
    let mut slow = Receiver::start(Answer::Held(Arc::clone(&release), 200)).await;
    // More attempts under way than there are connections to Postgres.
    for _ in 0..19 {
        create_webhook(&app, &admin, &slow.url).await;
    }
    let mut fast = Receiver::start(Answer::Status(200)).await;
    let channel = create_webhook(&app, &admin, &fast.url).await;
    write_events(&app, UNDER_WAY + 2).await;
    let mut held = Vec::new();
    for _ in 0..19 * UNDER_WAY {
        held.push(slow.next().await);
    }
    let mut received = Vec::new();
    for _ in 0..UNDER_WAY + 2 {
        received.push(fast.next().await);
    }
    assert_eq!(numbers(&received), [0, 1, 2, 3, 4, 5]);
    let delivered = format!("SELECT count(*) FROM deliveries WHERE channel_id = {channel} AND status = 'delivered'");
    while sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(delivered.clone()))
        .fetch_one(app.db())
        .await
        .expect("a number")
        < 6
    {
        tokio::task::yield_now().await;
    }
    // The slow ones have no more than their share, although more is due.
    assert!(slow.rest().is_empty());
    release.add_permits(19 * (UNDER_WAY + 2));
    wait_for_all(&app).await;
    held.extend(slow.rest());
    assert_eq!((held.len(), ids(&held).len()), (19 * 6, 19 * 6));
}

#[tokio::test]
async fn two_servers_share_the_work_and_send_each_delivery_once() {
    let app = start().await;
    let admin = app.admin().await;
    let replica = app.replica().await;
    let release = Arc::new(Semaphore::new(0));
    let mut receiver = Receiver::start(Answer::Held(Arc::clone(&release), 200)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    write_events(&app, 60).await;
    // Each server has its share under way at the same time.
    let mut requests = Vec::new();
    for _ in 0..2 * UNDER_WAY {
        requests.push(receiver.next().await);
    }
    release.add_permits(60);
    wait_for_all(&app).await;
    requests.extend(receiver.rest());
    assert_eq!(numbers(&requests), (0..60).collect::<Vec<_>>());
    assert_eq!(ids(&requests).len(), 60);
    let ended = deliveries(&app, &admin, channel).await;
    assert!(ended.iter().all(|delivery| delivery["attempts"] == 1 && delivery["status"] == "delivered"));
    replica.stop().await;
}

#[tokio::test]
async fn what_a_server_was_sending_when_it_died_is_sent_again_by_another() {
    let app = start().await;
    let admin = app.admin().await;
    let replica = app.replica().await;
    let release = Arc::new(Semaphore::new(0));
    let mut receiver = Receiver::start(Answer::Held(Arc::clone(&release), 200)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    replica.stop().await;
    write_events(&app, 1).await;
    let first = receiver.next().await;
    let survivor = app.replica().await;
    app.kill().await;
    receiver.set(Answer::Status(200));
    // The lease ends.
    make_due(&survivor).await;
    let second = receiver.next().await;
    assert_eq!((second.header("webhook-id"), &second.body), (first.header("webhook-id"), &first.body));
    let delivered = wait_for_delivery(&survivor, &admin, channel, |delivery| delivery["status"] == "delivered").await;
    assert_eq!(delivered["attempts"], 2);
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn what_is_rolled_back_is_never_sent() {
    let app = start().await;
    let admin = app.admin().await;
    let mut receiver = Receiver::start(Answer::Status(200)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    let mut tx = app.db().begin().await.expect("a transaction");
    app.state.outbox.write(&mut tx, numbered_event(7)).await.expect("written");
    tx.rollback().await.expect("a rollback");
    app.state.outbox.wake();
    write_events(&app, 1).await;
    wait_for_all(&app).await;
    assert_eq!(numbers(&[receiver.next().await]), [0]);
    assert!(receiver.rest().is_empty());
    assert_eq!(deliveries(&app, &admin, channel).await.len(), 1);
}

#[tokio::test]
async fn an_orderly_stop_waits_for_what_is_under_way_and_takes_no_more() {
    let app = start().await;
    let admin = app.admin().await;
    let release = Arc::new(Semaphore::new(0));
    let mut receiver = Receiver::start(Answer::Held(Arc::clone(&release), 200)).await;
    create_webhook(&app, &admin, &receiver.url).await;
    write_events(&app, 1).await;
    receiver.next().await;
    let mut database = PgConnection::connect_with(&app.state.config.database).await.expect("Postgres");
    app.state.stop.cancel();
    write_events(&app, 1).await;
    let stopping = tokio::spawn(app.stop());
    // The listener is closed before the sender is waited for.
    release.add_permits(10);
    tokio::time::timeout(Duration::from_secs(20), stopping).await.expect("a stop in time").expect("a stop");
    let statuses: Vec<String> = sqlx::query_scalar("SELECT status::text FROM deliveries ORDER BY id")
        .fetch_all(&mut database)
        .await
        .expect("the deliveries");
    assert_eq!(statuses, ["delivered", "pending"]);
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_result_waits_for_postgres_and_is_not_sent_twice() {
    let direct = database::create().await;
    let (proxy, proxied) = database::through_proxy(&direct).await;
    let app = TestApp::with(|config| {
        database::lead_to(config, &proxied);
        config.outbound_allow_http = true;
        config.outbound_allow_private = true;
    })
    .await;
    let admin = app.admin().await;
    let release = Arc::new(Semaphore::new(0));
    let mut receiver = Receiver::start(Answer::Held(Arc::clone(&release), 200)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    write_events(&app, 1).await;
    receiver.next().await;
    proxy.set_mode(Mode::Refuse);
    release.add_permits(1);
    app.get(&admin, "/channels").await.expect_error(503, "unavailable");
    let mut database = PgConnection::connect_with(&direct).await.expect("Postgres");
    let pending = "SELECT count(*) FROM deliveries WHERE status = 'pending'";
    assert_eq!(sqlx::query_scalar::<_, i64>(pending).fetch_one(&mut database).await.expect("a number"), 1);
    proxy.set_mode(Mode::Pass);
    let waiting = async {
        while sqlx::query_scalar::<_, i64>(pending).fetch_one(&mut database).await.expect("a number") > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("a stored result");
    let stored: (String, i32) = sqlx::query_as("SELECT status::text, attempts FROM deliveries WHERE channel_id = $1")
        .bind(channel)
        .fetch_one(&mut database)
        .await
        .expect("the delivery");
    assert_eq!(stored, ("delivered".to_owned(), 1));
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_late_result_changes_nothing_that_is_newer_unless_it_delivered() {
    let app = start().await;
    let admin = app.admin().await;
    let channel = create_webhook(&app, &admin, "http://127.0.0.1:9/hook").await;
    let insert = "INSERT INTO deliveries (channel_id, event, payload, attempts, next_attempt_at)
        VALUES ($1, 'order.created', '{}', 3, now() + interval '15 s') RETURNING id";
    let delivery: i64 = sqlx::query_scalar(insert).bind(channel).fetch_one(app.db()).await.expect("a delivery");
    let finish_as = async |attempt, outcome| {
        let result = AttemptResult { outcome, response_status: Some(599), error: None };
        finish(app.db(), delivery, attempt, &result).await.expect("a statement");
        let [stored] = &deliveries(&app, &admin, channel).await[..] else { panic!("one delivery") };
        (stored["status"].clone(), stored["response_status"].clone())
    };
    let unchanged = (json!("pending"), json!(null));
    assert_eq!(finish_as(2, Outcome::Failed).await, unchanged);
    assert_eq!(finish_as(2, Outcome::Rejected).await, unchanged);
    let delivered = (json!("delivered"), json!(599));
    assert_eq!(finish_as(2, Outcome::Delivered).await, delivered);
    // The attempt that began later fails.
    assert_eq!(finish_as(3, Outcome::Failed).await, delivered);
    assert_eq!(finish_as(3, Outcome::Rejected).await, delivered);
}
