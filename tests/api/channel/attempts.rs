//! Attempts: what counts as delivered, when the next one is, and which one is the last.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{
    channel::{
        create_webhook, deliveries, make_due, seconds_to_next_attempt, start, wait_for_all, wait_for_delivery,
        write_events,
    },
    fixtures::count,
    receiver::{Answer, Receiver},
    test_app::TestApp,
};

/// Seconds until the second attempt, the third and so on.
const SCHEDULE: [f64; 7] = [5.0, 60.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 86_400.0];

#[tokio::test]
async fn a_2xx_in_time_is_delivered_and_everything_else_is_not() {
    let app = start().await;
    let admin = app.admin().await;
    let elsewhere = Receiver::start(Answer::Status(200)).await;
    let unused_port = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        format!("http://{}/hook", listener.local_addr().expect("an address"))
    };
    let table = [
        (Some(Answer::Status(200)), "delivered", json!(200), None),
        (Some(Answer::Status(204)), "delivered", json!(204), None),
        (Some(Answer::Large(200, 1 << 30)), "delivered", json!(200), None),
        (Some(Answer::Endless(202)), "delivered", json!(202), None),
        (Some(Answer::Redirect(elsewhere.url.clone())), "pending", json!(307), Some("Redirects are not followed.")),
        (Some(Answer::Status(304)), "pending", json!(304), Some("304 Not Modified")),
        (Some(Answer::Status(400)), "pending", json!(400), Some("400 Bad Request")),
        (Some(Answer::Status(404)), "pending", json!(404), Some("404 Not Found")),
        (Some(Answer::Status(429)), "pending", json!(429), Some("429 Too Many Requests")),
        (Some(Answer::Status(503)), "pending", json!(503), Some("503 Service Unavailable")),
        (Some(Answer::Large(500, 1 << 30)), "pending", json!(500), Some("500 Internal Server Error")),
        (Some(Answer::Endless(500)), "pending", json!(500), Some("500 Internal Server Error")),
        (Some(Answer::Silence), "pending", Value::Null, Some("did not respond within 5 seconds")),
        (None, "pending", Value::Null, Some("No connection to the receiver")),
    ];
    let mut channels = Vec::new();
    let mut receivers = Vec::new();
    for (answer, ..) in &table {
        let url = match answer {
            None => unused_port.clone(),
            Some(answer) => {
                receivers.push(Receiver::start(answer.clone()).await);
                receivers.last().expect("a receiver").url.clone()
            }
        };
        channels.push(create_webhook(&app, &admin, &url).await);
    }
    write_events(&app, 1).await;
    for ((answer, status, response_status, error), channel) in table.iter().zip(channels) {
        // All have one attempt. The next is at the earliest five seconds after its end.
        let ended = |delivery: &Value| {
            delivery["status"] != "pending" || !delivery["error"].is_null() || !delivery["response_status"].is_null()
        };
        let delivery = wait_for_delivery(&app, &admin, channel, ended).await;
        assert_eq!(
            (&delivery["status"], &delivery["response_status"]),
            (&json!(status), response_status),
            "{answer:?}"
        );
        let text = delivery["error"].as_str().unwrap_or_default();
        assert_eq!(error.is_some(), !text.is_empty(), "{answer:?}: {text}");
        assert!(text.contains(error.unwrap_or_default()) && text.len() <= 500, "{answer:?}: {text}");
        assert!(!text.contains("127.0.0.1") && !text.contains("secret-path"), "{answer:?}: {text}");
        assert_eq!(delivery["next_attempt_at"].is_null(), *status == "delivered", "{answer:?}");
    }
    let mut elsewhere = elsewhere;
    assert!(elsewhere.rest().is_empty(), "a redirect was followed");
}

#[tokio::test]
async fn attempts_follow_the_schedule_and_after_the_last_the_delivery_has_failed() {
    let app = start().await;
    let admin = app.admin().await;
    let mut receiver = Receiver::start(Answer::Status(500)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    write_events(&app, 1).await;
    let mut ids = BTreeSet::new();
    for (attempt, expected) in SCHEDULE.into_iter().enumerate() {
        ids.insert(receiver.next().await.header("webhook-id").to_owned());
        let delivery = wait_for_delivery(&app, &admin, channel, |delivery| delivery["attempts"] == attempt + 1).await;
        assert_eq!(delivery["status"], "pending");
        // The attempt has ended when its lease was replaced by the schedule.
        loop {
            let seconds = seconds_to_next_attempt(&app).await;
            if (seconds - expected).abs() <= 3.0 {
                break;
            }
            assert!(seconds <= 15.0, "attempt {attempt}: the next in {seconds} s, not in {expected} s");
        }
        make_due(&app).await;
    }
    ids.insert(receiver.next().await.header("webhook-id").to_owned());
    let failed = wait_for_delivery(&app, &admin, channel, |delivery| delivery["status"] == "failed").await;
    assert_eq!((&failed["attempts"], &failed["next_attempt_at"]), (&json!(8), &Value::Null));
    assert_eq!(failed["error"], "The receiver responded with 500 Internal Server Error.");
    assert_eq!(ids.len(), 1, "{ids:?}");
}

/// Seconds until the next attempt, in whole seconds.
fn seconds_from_now(delivery: &Value) -> f64 {
    let next = delivery["next_attempt_at"].as_str().expect("a time");
    let next: chrono::DateTime<chrono::Utc> = next.parse().expect("a time");
    (next - chrono::Utc::now()).as_seconds_f64().round()
}

#[tokio::test]
async fn a_retry_makes_a_delivery_due_again_with_the_same_id() {
    let app = start().await;
    let admin = app.admin().await;
    let mut receiver = Receiver::start(Answer::Status(500)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    write_events(&app, 1).await;
    let first = receiver.next().await;
    let delivery = wait_for_delivery(&app, &admin, channel, |delivery| delivery["response_status"] == 500).await;
    let path = format!("/channels/{channel}/deliveries/{}/retry", delivery["id"]);
    let set = async |sql: &'static str| sqlx::query(sql).execute(app.db()).await.expect("an update");

    // One that waits for its next attempt for hours.
    set("UPDATE deliveries SET attempts = 7, next_attempt_at = now() + interval '24 hours'").await;
    let retried = app.post(&admin, &path, json!({})).await.expect(202);
    assert_eq!((&retried["status"], &retried["id"]), (&json!("pending"), &delivery["id"]));
    let second = receiver.next().await;
    let failed = wait_for_delivery(&app, &admin, channel, |delivery| delivery["status"] == "failed").await;
    assert_eq!(failed["attempts"], 8);
    // One that has failed gets a further attempt.
    app.post(&admin, &path, json!({})).await.expect(202);
    let third = receiver.next().await;
    let failed = wait_for_delivery(&app, &admin, channel, |delivery| {
        delivery["status"] == "failed" && delivery["attempts"] == 9
    })
    .await;
    assert_eq!(failed["response_status"], 500);
    // One that was delivered too.
    receiver.set(Answer::Status(200));
    for attempts in [10, 11] {
        app.post(&admin, &path, json!({})).await.expect(202);
        let repeated = receiver.next().await;
        assert_eq!((repeated.header("webhook-id"), &repeated.body), (first.header("webhook-id"), &first.body));
        wait_for_delivery(&app, &admin, channel, |delivery| {
            delivery["status"] == "delivered" && delivery["attempts"] == attempts
        })
        .await;
    }
    for request in [second, third] {
        assert_eq!((request.header("webhook-id"), &request.body), (first.header("webhook-id"), &first.body));
    }
}

#[tokio::test]
async fn a_retry_does_not_send_twice_what_is_under_way() {
    let app = start().await;
    let admin = app.admin().await;
    let release = Arc::new(Semaphore::new(0));
    let mut receiver = Receiver::start(Answer::Held(Arc::clone(&release), 200)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    write_events(&app, 1).await;
    receiver.next().await;
    let [delivery] = &deliveries(&app, &admin, channel).await[..] else { panic!("one delivery") };
    assert!((14.0..=15.0).contains(&seconds_from_now(delivery)), "{delivery}");
    let path = format!("/channels/{channel}/deliveries/{}/retry", delivery["id"]);
    let retried = app.post(&admin, &path, json!({})).await.expect(202);
    assert_eq!(retried["next_attempt_at"], delivery["next_attempt_at"]);
    release.add_permits(2);
    let delivered = wait_for_delivery(&app, &admin, channel, |delivery| delivery["status"] == "delivered").await;
    assert_eq!(delivered["attempts"], 1);
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_410_disables_the_channel_and_nothing_more_is_sent() {
    let app = start().await;
    let admin = app.admin().await;
    let mut receiver = Receiver::start(Answer::Status(500)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    write_events(&app, 2).await;
    let waiting = "SELECT count(*) FROM deliveries WHERE response_status = 500";
    while count(app.db(), waiting).await < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(receiver.rest().len(), 2);
    receiver.set(Answer::Status(410));
    sqlx::query("UPDATE deliveries SET next_attempt_at = now() WHERE id = (SELECT min(id) FROM deliveries)")
        .execute(app.db())
        .await
        .expect("an update");
    app.state.outbox.wake();
    receiver.next().await;
    // The channel is disabled a moment before the attempt has ended.
    while count(app.db(), "SELECT count(*) FROM deliveries WHERE status = 'pending'").await > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(count(app.db(), "SELECT count(*) FROM channels WHERE is_enabled").await, 0);
    make_due(&app).await;
    wait_for_all(&app).await;
    let ended = deliveries(&app, &admin, channel).await;
    let expected = [
        (2, json!(410), "The receiver responded with 410 Gone. The channel was disabled."),
        (1, json!(null), "The channel is disabled."),
    ];
    for (delivery, (attempts, response_status, error)) in ended.iter().zip(expected) {
        assert_eq!(delivery["status"], "failed");
        assert_eq!(
            (&delivery["attempts"], &delivery["response_status"], &delivery["error"]),
            (&json!(attempts), &response_status, &json!(error))
        );
    }
    // What happens now is not written for it.
    write_events(&app, 1).await;
    assert_eq!(count(app.db(), "SELECT count(*) FROM deliveries").await, 2);
    assert_eq!(app.get(&admin, "/channels").await.expect(200)["results"][0]["enabled"], false);
    let entry = app.get(&admin, "/audit?action=channel_change").await.expect(200)["results"][0].clone();
    assert_eq!((&entry["actor"], &entry["address"]), (&Value::Null, &json!("server")));
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_410_of_a_former_url_does_not_disable_the_channel() {
    let app = start().await;
    let admin = app.admin().await;
    let release = Arc::new(Semaphore::new(0));
    let mut former = Receiver::start(Answer::Held(Arc::clone(&release), 410)).await;
    let mut current = Receiver::start(Answer::Status(200)).await;
    let channel = create_webhook(&app, &admin, &former.url).await;
    write_events(&app, 1).await;
    former.next().await;
    app.patch(&admin, &format!("/channels/{channel}"), json!({"url": current.url})).await.expect(200);
    release.add_permits(1);
    wait_for_delivery(&app, &admin, channel, |delivery| delivery["response_status"] == 410).await;
    make_due(&app).await;
    current.next().await;
    wait_for_delivery(&app, &admin, channel, |delivery| delivery["status"] == "delivered").await;
    assert_eq!(app.get(&admin, "/channels").await.expect(200)["results"][0]["enabled"], true);
}

#[tokio::test]
async fn what_is_pending_when_a_channel_is_disabled_fails_without_an_attempt() {
    let app = start().await;
    let admin = app.admin().await;
    let mut receiver = Receiver::start(Answer::Status(500)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    write_events(&app, 1).await;
    receiver.next().await;
    wait_for_delivery(&app, &admin, channel, |delivery| delivery["response_status"] == 500).await;
    app.patch(&admin, &format!("/channels/{channel}"), json!({"enabled": false})).await.expect(200);
    make_due(&app).await;
    let failed = wait_for_delivery(&app, &admin, channel, |delivery| delivery["status"] == "failed").await;
    assert_eq!((&failed["attempts"], &failed["error"]), (&json!(1), &json!("The channel is disabled.")));
    // It can be retried when the channel is enabled again.
    receiver.set(Answer::Status(200));
    app.patch(&admin, &format!("/channels/{channel}"), json!({"enabled": true})).await.expect(200);
    app.post(&admin, &format!("/channels/{channel}/deliveries/{}/retry", failed["id"]), json!({})).await.expect(202);
    receiver.next().await;
    wait_for_delivery(&app, &admin, channel, |delivery| delivery["status"] == "delivered").await;
}

#[tokio::test]
async fn a_test_is_sent_at_once_and_answered_as_it_ended() {
    let app = start().await;
    let admin = app.admin().await;
    let mut receiver = Receiver::start(Answer::Status(200)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    let path = format!("/channels/{channel}/test");
    // Also to a channel that is disabled.
    app.patch(&admin, &format!("/channels/{channel}"), json!({"enabled": false})).await.expect(200);
    for (answer, status, response_status) in [
        (Answer::Status(200), "delivered", json!(200)),
        (Answer::Status(500), "failed", json!(500)),
        (Answer::Status(410), "failed", json!(410)),
        (Answer::Silence, "failed", Value::Null),
    ] {
        receiver.set(answer.clone());
        let started = std::time::Instant::now();
        let delivery = app.post(&admin, &path, json!({})).await.expect(200).0;
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "{answer:?}");
        let request = receiver.next().await.json();
        assert_eq!(request["type"], "test");
        assert_eq!(request["data"]["actor"]["id"], admin.id);
        let expected = json!({"id": delivery["id"], "event": "test", "status": status, "attempts": 1,
            "response_status": response_status, "error": delivery["error"], "next_attempt_at": null,
            "created_at": delivery["created_at"]});
        assert_eq!(delivery, expected);
        assert_eq!(delivery["error"].is_null(), status == "delivered");
        let list = app.get(&admin, &format!("/channels/{channel}/deliveries")).await.expect(200);
        assert_eq!(list["results"][0], delivery);
    }
    make_due(&app).await;
    assert_eq!(count(app.db(), "SELECT count(*) FROM deliveries WHERE status = 'pending'").await, 0);
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_test_of_a_channel_that_is_deleted_meanwhile_is_not_found() {
    let app = start().await;
    let admin = app.admin().await;
    let release = Arc::new(Semaphore::new(0));
    let mut receiver = Receiver::start(Answer::Held(Arc::clone(&release), 200)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    let path = format!("/channels/{channel}");
    let test_path = format!("{path}/test");
    let (response, ()) = tokio::join!(app.post(&admin, &test_path, json!({})), async {
        receiver.next().await;
        app.delete(&admin, &path).await.expect(204);
        release.add_permits(1);
    });
    response.expect_error(404, "not_found");
}

#[tokio::test]
async fn deliveries_are_counted_by_their_outcome() {
    let app = start().await;
    let admin = app.admin().await;
    let receiver = Receiver::start(Answer::Status(200)).await;
    create_webhook(&app, &admin, &receiver.url).await;
    let before = delivered(&app).await;
    write_events(&app, 3).await;
    wait_for_all(&app).await;
    // Other tests of this process count too.
    assert!(delivered(&app).await >= before + 3);
}

async fn delivered(app: &TestApp) -> u64 {
    let metrics = app.send(app.request(reqwest::Method::GET, "/metrics")).await.text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("deliveries_total{outcome=\"delivered\"} "));
    line.map_or(0, |count| count.parse().expect("a number"))
}
