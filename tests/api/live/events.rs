//! Events of each kind, and how changes become events.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, multipart};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::support::{
    event_stream::EventStream,
    test_app::{TestApp, TestUser},
};

/// Inserts an unread notification.
async fn notify(db: &PgPool, user: &TestUser) {
    sqlx::query("INSERT INTO notifications (user_id, kind, details) VALUES ($1, 'member_type_changed', '{}')")
        .bind(user.id)
        .execute(db)
        .await
        .expect("a notification");
}

/// The fields that an event of a snack and the snack have in common.
pub fn live_fields(snack: &Value) -> Value {
    let fields = ["uid", "like_reaction_count", "hate_reaction_count", "like_ratio", "orderable"];
    fields.iter().map(|field| ((*field).to_owned(), snack[field].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn a_stream_has_its_headers_and_a_comment_at_once() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let stream = EventStream::open(&app, &member).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert_eq!(stream.header("cache-control"), "no-store");
    assert_eq!(stream.header("x-accel-buffering"), "no");
    assert_eq!(stream.header("content-encoding"), "");
    let request = app.request(Method::GET, "/events");
    app.send(request).await.expect_error(401, "not_authenticated");
}

#[tokio::test]
async fn every_change_of_a_snack_is_an_event_with_its_state() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut stream = EventStream::open(&app, &admin).await;
    let uid = app.snack(&admin, "새우깡").await;
    let event = stream.wait_for("snack", json!({"uid": uid})).await;
    let expected =
        json!({"uid": uid, "like_reaction_count": 0, "hate_reaction_count": 0, "like_ratio": 1.0, "orderable": true});
    assert_eq!(event.data, expected);

    let path = format!("/snacks/{uid}");
    app.post(&admin, &format!("{path}/reaction"), json!({"type": "hate"})).await.expect(200);
    let event = stream.wait_for("snack", json!({"hate_reaction_count": 1})).await;
    assert_eq!(event.data, live_fields(&app.get(&admin, &path).await.expect(200)));
    app.put(&admin, &format!("{path}/status"), json!({"status": "unavailable"})).await.expect(200);
    stream.wait_for("snack", json!({"uid": uid, "orderable": false, "hate_reaction_count": 1})).await;
    app.delete(&admin, &format!("{path}/reaction")).await.expect(200);
    stream.wait_for("snack", json!({"uid": uid, "hate_reaction_count": 0})).await;
    app.patch(&admin, &path, json!({"name": "감자깡"})).await.expect(200);
    stream.wait_for("snack", json!({"uid": uid})).await;

    let file = multipart::Part::text("name,price\n양파링,100\n고래밥,200\n").file_name("snacks.csv");
    let form = multipart::Form::new().part("file", file);
    let import = app.post_form(&admin, "/snacks/import", form).await.expect(200);
    let mut imported: Vec<_> = import.column("uid");
    while !imported.is_empty() {
        let event = stream.next().await.expect("an event");
        assert_eq!(event.name, "snack");
        imported.retain(|uid| *uid != event.data["uid"]);
    }
}

#[tokio::test]
async fn a_snack_is_not_orderable_while_it_is_in_an_open_order() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let uid = app.snack(&member, "새우깡").await;
    let mut stream = EventStream::open(&app, &member).await;
    let order = app.order(&member, &[&uid]).await;
    stream.wait_for("snack", json!({"uid": uid, "orderable": false})).await;
    let admin = app.admin().await;
    app.set_status(&admin, &order, "canceled").await.expect(200);
    stream.wait_for("snack", json!({"uid": uid, "orderable": true})).await;
}

#[tokio::test]
async fn an_order_has_the_status_and_version_of_the_moment_of_the_event() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let snack = app.snack(&admin, "새우깡").await;
    let mut stream = EventStream::open(&app, &admin).await;
    let order = app.order(&admin, &[&snack]).await;
    let event = stream.wait_for("order", json!({"uid": order, "status": "created"})).await;
    assert_eq!(event.data.as_object().expect("an object").len(), 3, "{:?}", event.data);
    let mut version = event.data["version"].as_i64();
    app.set_status(&admin, &order, "approved").await.expect(200);
    app.set_status(&admin, &order, "ordered").await.expect(200);
    // The approval may have an event of its own.
    let events = stream.events_until(|event| event.data["status"] == "ordered").await;
    for event in events.iter().filter(|event| event.name == "order") {
        assert!(event.data["version"].as_i64() > version, "{events:?}");
        version = event.data["version"].as_i64();
    }
    // Changes whose order is unknown: the state of the moment is sent.
    app.state.changes.order(order.parse().expect("a uid"));
    let event = stream.wait_for("order", json!({"uid": order})).await;
    assert_eq!((event.data["status"].as_str(), event.data["version"].as_i64()), (Some("ordered"), version));
}

#[tokio::test]
async fn a_budget_event_names_the_month() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut stream = EventStream::open(&app, &admin).await;
    let limit = json!({"currency": "KRW", "amount": "500000", "applies": "month"});
    app.put(&admin, "/budgets/2026-11", limit).await.expect(200);
    let event = stream.wait_for("budget", json!({})).await;
    assert_eq!(event.data, json!({"month": "2026-11"}));
}

#[tokio::test]
async fn a_notification_is_shown_to_its_reader_alone() {
    let app = TestApp::start().await;
    let (reader, other) = (app.member().await, app.member().await);
    let mut streams = [EventStream::open(&app, &reader).await, EventStream::open(&app, &reader).await];
    let mut others = EventStream::open(&app, &other).await;
    notify(app.db(), &reader).await;
    for unread in 2..=4 {
        notify(app.db(), &reader).await;
        app.state.changes.notifications([reader.id]);
        for stream in &mut streams {
            let event = stream.wait_for("notification", json!({"unread_count": unread})).await;
            assert_eq!(event.data, json!({"unread_count": unread}));
        }
    }
    app.put(&reader, "/notifications/read", json!({"all": true})).await.expect(204);
    for stream in &mut streams {
        stream.wait_for("notification", json!({"unread_count": 0})).await;
    }
    // A later event for everybody: what comes before it has been sent.
    notify(app.db(), &other).await;
    app.state.changes.notifications([other.id]);
    let events = others.events_until(|event| event.name == "notification").await;
    assert_eq!(events.last().expect("an event").data, json!({"unread_count": 1}), "{events:?}");
}

#[tokio::test]
async fn a_thousand_reactions_to_a_snack_are_few_events_and_the_last_has_all_of_them() {
    let app = TestApp::start().await;
    let users = app.users(1000).await;
    let uid = app.snack(&users[0], "새우깡").await;
    let mut stream = EventStream::open(&app, &users[0]).await;
    let path = format!("/snacks/{uid}/reaction");
    let started = Instant::now();
    for users in users.chunks(50) {
        let body = || json!({"type": "like"});
        for response in join_all(users.iter().map(|user| app.post(user, &path, body()))).await {
            response.expect(200);
        }
    }
    let events = stream.events_until(|event| event.data["like_reaction_count"] == 1000).await;
    let most = started.elapsed().as_millis() / 250 + 2;
    let events = events.iter().filter(|event| event.name == "snack").count();
    assert!(events as u128 <= most, "{events} events, {most} are allowed");
    // The last change may have been published after its count was read.
    let mut rest = Vec::new();
    while let Ok(event) = stream.next_until(Instant::now() + Duration::from_secs(1)).await {
        rest.push(event.expect("an event"));
    }
    assert!(rest.len() <= 1 && rest.iter().all(|event| event.data["like_reaction_count"] == 1000), "{rest:?}");
}

#[tokio::test]
async fn a_snack_that_changes_all_the_time_has_four_events_a_second() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let uid = app.snack(&member, "새우깡").await;
    let mut stream = EventStream::open(&app, &member).await;
    let uid = uid.parse().expect("a uid");
    let changing = async {
        loop {
            app.state.changes.snacks([uid]);
            sleep(Duration::from_millis(10)).await;
        }
    };
    let reading = async {
        stream.wait_for("snack", json!({})).await;
        let started = Instant::now();
        for _ in 0..10 {
            stream.wait_for("snack", json!({"uid": uid})).await;
        }
        started.elapsed()
    };
    let took = tokio::select! {
        () = changing => unreachable!("it goes on for ever"),
        took = reading => took,
    };
    // The first may have come late.
    assert!(took > Duration::from_millis(9 * 250), "ten events in {took:?}");
}

#[tokio::test]
async fn too_many_changes_at_once_are_a_resync() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let mut stream = EventStream::open(&app, &member).await;
    app.state.changes.snacks((0..1001).map(|_| uuid::Uuid::new_v4()));
    let event = stream.wait_for("resync", json!({})).await;
    assert_eq!(event.data, json!({}));
}
