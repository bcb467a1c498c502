//! Webhooks: signatures of Standard Webhooks, and the events.

use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::support::{
    channel::{create_channel, id, make_due, start, wait_for_delivery},
    receiver::{Answer, Receiver},
};

#[tokio::test]
async fn the_official_library_verifies_each_attempt_and_refuses_what_was_changed() {
    let app = start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let mut receiver = Receiver::start(Answer::Status(500)).await;
    let created = create_channel(&app, &admin, "webhook", &receiver.url).await;
    let webhook = Webhook::new(created["secret"].as_str().expect("a secret")).expect("a secret");
    app.snack(&member, "새우깡").await;
    let first = receiver.next().await;
    wait_for_delivery(&app, &admin, id(&created), |delivery| delivery["response_status"] == 500).await;
    receiver.set(Answer::Status(200));
    // As if the first attempt were long ago. The signature is made anew.
    make_due(&app).await;
    let second = receiver.next().await;
    for request in [&first, &second] {
        webhook.verify(request.body.as_bytes(), &request.headers).expect("a valid signature");
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.header("user-agent"), format!("snack-server/{}", env!("CARGO_PKG_VERSION")));
        assert_eq!(request.path, "/hook/secret-path");
        assert!(request.header("webhook-id").starts_with("msg_"), "{:?}", request.headers);
        let at: i64 = request.header("webhook-timestamp").parse().expect("seconds");
        assert!((chrono::Utc::now().timestamp() - at).abs() < 60);
    }
    assert_eq!((first.header("webhook-id"), &first.body), (second.header("webhook-id"), &second.body));

    let tampered = first.body.replace("새우깡", "초코파이");
    assert_ne!(tampered, first.body);
    webhook.verify(tampered.as_bytes(), &first.headers).expect_err("a changed body");
    webhook.verify(format!("{} ", first.body).as_bytes(), &first.headers).expect_err("a longer body");
    for (name, value) in [
        ("webhook-id", "msg_0191e3a0-0000-7000-8000-000000000000".to_owned()),
        ("webhook-timestamp", (first.header("webhook-timestamp").parse::<i64>().expect("seconds") + 1).to_string()),
        ("webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned()),
    ] {
        let mut headers = first.headers.clone();
        headers.insert(name, value.parse().expect("a header value"));
        webhook.verify(first.body.as_bytes(), &headers).expect_err(name);
    }
    let other = create_channel(&app, &admin, "webhook", &receiver.url).await;
    let other = Webhook::new(other["secret"].as_str().expect("a secret")).expect("a secret");
    other.verify(first.body.as_bytes(), &first.headers).expect_err("the secret of another channel");
}

#[tokio::test]
async fn an_event_tells_what_when_and_who() {
    let app = start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let mut receiver = Receiver::start(Answer::Status(200)).await;
    create_channel(&app, &admin, "webhook", &receiver.url).await;
    let name = app.get(&member, "/auth/users/profile").await.expect(200)["name"].clone();
    let actor = json!({"id": member.id, "name": name});

    let snack = app.snack(&member, "새우깡").await;
    let event = receiver.next().await.json();
    let timestamp: chrono::DateTime<chrono::Utc> =
        event["timestamp"].as_str().expect("a time").parse().expect("an instant");
    assert!((chrono::Utc::now() - timestamp).num_seconds().abs() < 60);
    let shown = app.get(&member, &format!("/snacks/{snack}")).await.expect(200).0;
    assert_eq!(
        event,
        json!({"type": "snack.registered", "timestamp": event["timestamp"], "data": {"snack": shown, "actor": actor}})
    );

    let order = app.order(&member, &[&snack]).await;
    let event = receiver.next().await.json();
    let shown = app.get(&admin, &format!("/orders/{order}")).await.expect(200).0;
    assert_eq!(event["type"], "order.created");
    assert_eq!(event["data"], json!({"order": shown, "actor": actor, "reason": Value::Null}));

    app.put(&admin, &format!("/orders/{order}/status"), json!({"status": "canceled", "reason": "품절"}))
        .await
        .expect(200);
    let event = receiver.next().await.json();
    assert_eq!(event["type"], "order.canceled");
    assert_eq!((&event["data"]["reason"], &event["data"]["actor"]["id"]), (&json!("품절"), &json!(admin.id)));
    assert_eq!(event["data"]["order"]["status"], "canceled");
}

#[tokio::test]
async fn a_channel_gets_its_events_only() {
    let app = start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let mut receiver = Receiver::start(Answer::Status(200)).await;
    let body =
        json!({"kind": "webhook", "name": "승인", "url": receiver.url, "events": ["order.approved", "order.canceled"]});
    app.post(&admin, "/channels", body).await.expect(201);
    let snack = app.snack(&member, "새우깡").await;
    let order = app.order(&member, &[&snack]).await;
    for status in ["approved", "ordered", "shipping", "completed"] {
        app.set_status(&admin, &order, status).await.expect(200);
    }
    let second = app.order(&member, &[&snack]).await;
    app.put(&admin, &format!("/orders/{second}/status"), json!({"status": "canceled", "reason": "품절"}))
        .await
        .expect(200);
    let types = [receiver.next().await, receiver.next().await].map(|request| request.json()["type"].clone());
    assert!(types.contains(&json!("order.approved")) && types.contains(&json!("order.canceled")), "{types:?}");
    assert!(receiver.rest().is_empty());
}
