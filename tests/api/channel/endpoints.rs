//! Channels as admins manage them.

use reqwest::{Method, header};
use serde_json::{Value, json};
use snack_server::outbox::EventType;

use crate::support::{
    channel::{create_webhook, deliveries, id, make_due, start, wait_for_all, wait_for_delivery, write_events},
    endpoints::NO_UID,
    fixtures::{count, walk},
    receiver::{Answer, Receiver},
    test_app::TestApp,
};

const SLACK: &str = "https://hooks.slack.com/services/T000/B000/abcdefghX9Qz";

fn slack(name: &str) -> Value {
    json!({"kind": "slack", "name": name, "url": SLACK, "events": ["order.created"]})
}

#[tokio::test]
async fn a_channel_is_created_shown_changed_and_deleted() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let body = json!({"kind": "slack", "name": " #간식 ", "url": SLACK, "events": ["budget.reached", "order.created", "order.created"]});
    let created = app.post(&admin, "/channels", body).await.expect(201).0;
    let expected = json!({"id": created["id"], "kind": "slack", "name": "#간식", "url": "https://hooks.slack.com/…X9Qz",
        "events": ["order.created", "budget.reached"], "enabled": true, "language": "ko", "created_at": created["created_at"]});
    assert_eq!(created, expected);
    let list = app.get(&admin, "/channels").await.expect(200).0;
    assert_eq!(list, json!({"results": [expected], "next_cursor": null}));

    let path = format!("/channels/{}", created["id"]);
    for (change, field, shown) in [
        (json!({"name": "회계"}), "name", json!("회계")),
        (json!({"url": "https://office.example:8443/a/new-one"}), "url", json!("https://office.example:8443/…-one")),
        (json!({"events": ["snack.registered"]}), "events", json!(["snack.registered"])),
        (json!({"enabled": false}), "enabled", json!(false)),
        (json!({"language": "en"}), "language", json!("en")),
        (json!({}), "name", json!("회계")),
    ] {
        let before = app.get(&admin, "/channels").await.expect(200)["results"][0].clone();
        let mut expected = before;
        expected[field] = shown;
        assert_eq!(app.patch(&admin, &path, change.clone()).await.expect(200).0, expected, "{change}");
        assert_eq!(app.get(&admin, "/channels").await.expect(200)["results"][0], expected, "{change}");
    }
    app.delete(&admin, &path).await.expect(204);
    assert_eq!(app.get(&admin, "/channels").await.expect(200).rows().len(), 0);
    app.delete(&admin, &path).await.expect_error(404, "not_found");
    app.patch(&admin, &path, json!({})).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn the_secret_of_a_webhook_is_told_once_and_the_url_never() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let url = "https://office.example/hook/very-secret";
    let body = json!({"kind": "webhook", "name": "회계", "url": url, "events": ["order.created"]});
    let first = app.post(&admin, "/channels", body.clone()).await.expect(201);
    let second = app.post(&admin, "/channels", body).await.expect(201);
    let secrets = [&first, &second].map(|created| created["secret"].as_str().expect("a secret").to_owned());
    // 32 bytes in base64.
    assert!(secrets.iter().all(|secret| secret.len() == 6 + 44 && secret.starts_with("whsec_")), "{secrets:?}");
    assert_ne!(secrets[0], secrets[1]);
    let path = format!("/channels/{}", first["id"]);
    for response in [
        app.get(&admin, "/channels").await,
        app.patch(&admin, &path, json!({"name": "경리"})).await,
        app.get(&admin, &format!("{path}/deliveries")).await,
        app.get(&admin, "/audit").await,
    ] {
        assert_eq!(response.status, 200);
        assert!(!response.text.contains("whsec_") && !response.text.contains("very"), "{}", response.text);
    }
}

#[tokio::test]
async fn the_language_is_that_of_the_request_unless_it_is_named() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for (accepted, named, expected) in [
        (None, None, "ko"),
        (Some("en-US,en;q=0.9"), None, "en"),
        (Some("en"), Some("ko"), "ko"),
        (Some("ko"), Some("en"), "en"),
    ] {
        let mut body = slack("#간식");
        if let Some(language) = named {
            body["language"] = json!(language);
        }
        let request = app.request(Method::POST, "/channels").bearer_auth(&admin.access).json(&body);
        let request =
            accepted.into_iter().fold(request, |request, value| request.header(header::ACCEPT_LANGUAGE, value));
        let created = app.send(request).await.expect(201);
        assert_eq!(created["language"], expected, "{accepted:?} {named:?}");
    }
}

#[tokio::test]
async fn an_invalid_channel_is_refused_with_all_its_fields() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let channel = id(&app.post(&admin, "/channels", slack("#간식")).await.expect(201));
    let path = format!("/channels/{channel}");
    let errors = app.post(&admin, "/channels", json!({})).await.expect_error(400, "validation_failed");
    assert_eq!(errors.error_fields(), ["events", "kind", "name", "url"]);
    assert!(errors["errors"].as_array().expect("errors").iter().all(|error| error["code"] == "required"));

    let long_url = |length: usize| format!("https://office.example/{}", "a".repeat(length - 23));
    let field = [
        ("name", json!(""), "required"),
        ("name", json!(" \u{200b}"), "blank"),
        ("name", json!("a\nb"), "invalid_character"),
        ("name", json!("a\u{202e}b"), "invalid_character"),
        ("name", json!("가".repeat(101)), "too_long"),
        ("url", json!(""), "required"),
        ("url", json!(long_url(2001)), "too_long"),
        // 1,000 characters, and three bytes of each in the form that is stored.
        ("url", json!(format!("https://office.example/{}", "가".repeat(600))), "too_long"),
        ("url", json!("office.example/hook"), "invalid_url"),
        ("url", json!("ftp://office.example/hook"), "invalid_url"),
        ("url", json!("https:office.example"), "invalid_url"),
        ("url", json!("https://"), "invalid_url"),
        ("url", json!("https://user:password@office.example/hook"), "invalid_url"),
        ("url", json!("https://user@office.example/hook"), "invalid_url"),
        ("url", json!("https://office.example/a b"), "invalid_url"),
        ("url", json!("https://office.example/a\r\nHost: x"), "invalid_url"),
        ("url", json!("http://office.example/hook"), "https_required"),
        ("url", json!("https://127.0.0.1/hook"), "address_not_allowed"),
        ("events", json!([]), "item_count"),
    ];
    for (name, value, code) in field {
        let mut body = slack("#간식");
        body[name] = value.clone();
        for response in
            [app.post(&admin, "/channels", body).await, app.patch(&admin, &path, json!({name: value.clone()})).await]
        {
            let error = response.expect_error(400, "validation_failed");
            assert_eq!(error["errors"].as_array().map(Vec::len), Some(1), "{value}");
            assert_eq!(
                (&error["errors"][0]["field"], &error["errors"][0]["code"]),
                (&json!(name), &json!(code)),
                "{value}"
            );
        }
    }
    let unreadable = [
        ("kind", json!("mail")),
        ("kind", json!(null)),
        ("events", json!(["order.deleted"])),
        ("events", json!("order.created")),
        ("events", json!(["test"])),
        ("events", json!(null)),
        ("enabled", json!("yes")),
        ("enabled", json!(null)),
        ("language", json!("fr")),
        ("name", json!(7)),
        ("url", json!(null)),
    ];
    for (name, value) in unreadable {
        let mut body = slack("#간식");
        body[name] = value.clone();
        app.post(&admin, "/channels", body).await.expect_error(400, "invalid_request");
        if name != "kind" {
            app.patch(&admin, &path, json!({name: value})).await.expect_error(400, "invalid_request");
        }
    }
    let mut longest = slack(&"가".repeat(100));
    longest["url"] = json!(long_url(2000));
    app.post(&admin, "/channels", longest).await.expect(201);
    assert_eq!(count(app.db(), "SELECT count(*) FROM channels").await, 2);
}

#[tokio::test]
async fn there_are_at_most_a_hundred_channels_also_when_they_are_created_at_once() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for number in 0..95 {
        app.post(&admin, "/channels", slack(&format!("#early {number}"))).await.expect(201);
    }
    let creating = (0..10).map(|number| app.post(&admin, "/channels", slack(&format!("#{number}"))));
    let responses = futures_util::future::join_all(creating).await;
    let refused = responses.into_iter().filter(|response| response.status != 201);
    let refused: Vec<_> = refused.map(|response| response.expect_error(409, "too_many_channels")).collect();
    assert_eq!(refused.len(), 5);
    let all = app.get(&admin, "/channels?limit=100").await.expect(200);
    assert_eq!((all.rows().len(), &all["next_cursor"]), (100, &Value::Null));
    app.delete(&admin, &format!("/channels/{}", all["results"][3]["id"])).await.expect(204);
    app.post(&admin, "/channels", slack("#again")).await.expect(201);
}

#[tokio::test]
async fn only_admins_reach_channels() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let channel = id(&app.post(&admin, "/channels", slack("#간식")).await.expect(201));
    let path = format!("/channels/{channel}");
    for response in [
        app.get(&member, "/channels").await,
        app.post(&member, "/channels", slack("#간식")).await,
        app.patch(&member, &path, json!({"enabled": false})).await,
        app.delete(&member, &path).await,
        app.post(&member, &format!("{path}/test"), json!({})).await,
        app.get(&member, &format!("{path}/deliveries")).await,
        app.post(&member, &format!("{path}/deliveries/1/retry"), json!({})).await,
    ] {
        response.expect_error(403, "permission_denied");
    }
}

#[tokio::test]
async fn changes_are_in_the_audit_log_without_the_url() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let channel = id(&app.post(&admin, "/channels", slack("#간식")).await.expect(201));
    let path = format!("/channels/{channel}");
    app.patch(&admin, &path, json!({"name": "#snacks", "url": format!("{SLACK}2")})).await.expect(200);
    app.delete(&admin, &path).await.expect(204);
    let log = app.get(&admin, "/audit?limit=3").await.expect(200);
    assert_eq!(log.column("action"), ["channel_delete", "channel_change", "channel_create"]);
    let (old, new) = (format!("{channel} #간식"), format!("{channel} #snacks"));
    assert_eq!(log.column("subject"), [new.as_str(), new.as_str(), old.as_str()]);
    assert!(log.rows().iter().all(|entry| entry["actor"]["id"] == admin.id && entry["outcome"] == "ok"));
    let filtered = app.get(&admin, "/audit?action=channel_change").await.expect(200);
    assert_eq!(filtered.rows().len(), 1);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut receiver = Receiver::start(Answer::Status(200)).await;
    let one = id(&app.post(&admin, "/channels", slack("#하나")).await.expect(201));
    let two = id(&app.post(&admin, "/channels", slack("#둘")).await.expect(201));
    let delivery: i64 = sqlx::query_scalar(
        "INSERT INTO deliveries (channel_id, event, payload, status, next_attempt_at, finished_at)
         VALUES ($1, 'order.created', '{}', 'failed', NULL, now()) RETURNING id",
    )
    .bind(one)
    .fetch_one(app.db())
    .await
    .expect("a delivery");
    for id in ["0", "-1", "999999999", "9223372036854775808", "x", NO_UID, "%FF"] {
        app.patch(&admin, &format!("/channels/{id}"), json!({"name": "x"})).await.expect_error(404, "not_found");
        app.delete(&admin, &format!("/channels/{id}")).await.expect_error(404, "not_found");
        app.post(&admin, &format!("/channels/{id}/test"), json!({})).await.expect_error(404, "not_found");
        app.get(&admin, &format!("/channels/{id}/deliveries")).await.expect_error(404, "not_found");
        for path in [format!("{id}/deliveries/{delivery}"), format!("{one}/deliveries/{id}")] {
            app.post(&admin, &format!("/channels/{path}/retry"), json!({})).await.expect_error(404, "not_found");
        }
    }
    // A delivery of another channel.
    let path = format!("/channels/{two}/deliveries/{delivery}/retry");
    app.post(&admin, &path, json!({})).await.expect_error(404, "not_found");
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_and_by_status() {
    let app = start().await;
    let admin = app.admin().await;
    let receiver = Receiver::start(Answer::Status(200)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    let other = create_webhook(&app, &admin, &receiver.url).await;
    write_events(&app, 5).await;
    wait_for_all(&app).await;
    receiver.set(Answer::Status(500));
    write_events(&app, 2).await;
    wait_for_delivery_count(&app, 4).await;
    let path = format!("/channels/{channel}/deliveries");
    let all = walk(&app, &admin, &path, 2, async || {}).await;
    let ids: Vec<i64> = all.iter().map(id).collect();
    assert_eq!(ids.len(), 7);
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
    assert!(deliveries(&app, &admin, other).await.iter().all(|delivery| !ids.contains(&id(delivery))));
    for (status, expected) in [("delivered", &all[2..]), ("pending", &all[..2]), ("failed", &[])] {
        let rows = app.get(&admin, &format!("{path}?status={status}")).await.expect(200).rows().clone();
        assert_eq!(rows, expected, "{status}");
    }
    app.get(&admin, &format!("{path}?status=lost")).await.expect_error(400, "invalid_request");
    app.get(&admin, &format!("{path}?cursor=x")).await.expect_error(400, "invalid_request");
    let cursor = app.get(&admin, &format!("{path}?limit=1")).await.expect(200)["next_cursor"].clone();
    let cursor = cursor.as_str().expect("a cursor");
    app.get(&admin, &format!("/channels?cursor={cursor}")).await.expect_error(400, "invalid_request");
    assert_eq!(
        all[0].as_object().expect("a delivery").keys().collect::<Vec<_>>(),
        ["attempts", "created_at", "error", "event", "id", "next_attempt_at", "response_status", "status"]
    );
}

/// Waits until so many deliveries have failed once.
async fn wait_for_delivery_count(app: &TestApp, expected: i64) {
    let waiting = async {
        let failed = "SELECT count(*) FROM deliveries WHERE status = 'pending' AND response_status = 500";
        while count(app.db(), failed).await < expected {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), waiting).await.expect("attempts in time");
}

#[tokio::test]
async fn a_channel_takes_its_deliveries_along_and_no_change_is_lost_to_it() {
    let app = start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let receiver = Receiver::start(Answer::Status(500)).await;
    let channel = create_webhook(&app, &admin, &receiver.url).await;
    let snack = app.snack(&member, "새우깡").await;
    wait_for_delivery(&app, &admin, channel, |delivery| delivery["response_status"] == 500).await;
    // An order whose transaction writes to the channel at the moment at which it is deleted.
    let mut deleting = app.db().begin().await.expect("a transaction");
    sqlx::query("DELETE FROM channels WHERE id = $1").bind(channel).execute(&mut *deleting).await.expect("deleted");
    let (order, ()) =
        tokio::join!(app.post(&member, "/orders", json!({"snacks": [{"uid": snack, "quantity": 1}]})), async {
            crate::support::fixtures::wait_for_blocked(&app, 1).await;
            deleting.commit().await.expect("a commit");
        });
    order.expect(201);
    assert_eq!(count(app.db(), "SELECT count(*) FROM deliveries").await, 0);
    make_due(&app).await;
    let events = EventType::ALL.map(EventType::as_str);
    let body = json!({"kind": "webhook", "name": "회계", "url": receiver.url, "events": events});
    app.post(&admin, "/channels", body).await.expect(201);
}
