//! What is written to the outbox: in the transaction of what it tells of, for each channel that wants it.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    budget::{order_of, set_budget},
    fixtures::{advance_order, count, order_body, order_with_status},
    notification::kinds,
    test_app::{TestApp, TestUser},
};

/// Adds an enabled channel for `events` past the API. Its URL is not reached.
async fn channel(app: &TestApp, events: &[&str]) -> i64 {
    let events: Vec<String> = events.iter().map(|event| (*event).to_owned()).collect();
    sqlx::query_scalar(
        "INSERT INTO channels (kind, name, url, secret, events, language)
         VALUES ('webhook', 'test', 'https://192.0.2.1/', 'whsec_c2VjcmV0', $1, 'ko') RETURNING id",
    )
    .bind(events)
    .fetch_one(app.db())
    .await
    .expect("a channel")
}

/// Payloads for a channel, oldest first.
async fn payloads(app: &TestApp, channel: i64) -> Vec<Value> {
    let sql = "SELECT payload FROM deliveries WHERE channel_id = $1 ORDER BY id";
    sqlx::query_scalar(sql).bind(channel).fetch_all(app.db()).await.expect("payloads")
}

fn types(payloads: &[Value]) -> Vec<&str> {
    payloads.iter().map(|payload| payload["type"].as_str().expect("a type")).collect()
}

async fn change_arrival(app: &TestApp, admin: &TestUser, order: &str) {
    let body = json!({"estimated_arrival_time": "2030-01-10T03:00:00Z"});
    app.put(admin, &format!("/orders/{order}/arrival"), body).await.expect(200);
}

#[tokio::test]
async fn channels_get_the_events_that_they_want() {
    let app = TestApp::start().await;
    let all = [
        "order.created",
        "order.approved",
        "order.ordered",
        "order.shipping",
        "order.completed",
        "order.canceled",
        "order.arrival_changed",
        "snack.registered",
        "budget.reached",
    ];
    let (everything, few) = (channel(&app, &all).await, channel(&app, &["order.canceled", "budget.reached"]).await);
    let disabled = channel(&app, &all).await;
    sqlx::query("UPDATE channels SET is_enabled = false WHERE id = $1")
        .bind(disabled)
        .execute(app.db())
        .await
        .expect("1");
    let (admin, member) = (app.admin().await, app.member().await);
    set_budget(&app, &admin, "KRW", json!("1000")).await;

    let order = order_of(&app, &member, "KRW", "900", 1).await;
    let body = json!({"status": "approved", "reason": "좋아요"});
    app.put(&admin, &format!("/orders/{order}/status"), body).await.expect(200);
    app.set_status(&admin, &order, "ordered").await.expect(200);
    change_arrival(&app, &admin, &order).await;
    for status in ["shipping", "completed"] {
        app.set_status(&admin, &order, status).await.expect(200);
    }
    order_with_status(&app, &member, "canceled").await;
    let sent = payloads(&app, everything).await;
    assert_eq!(
        types(&sent),
        [
            "snack.registered",
            "order.created",
            "order.approved",
            "budget.reached",
            "order.ordered",
            "order.arrival_changed",
            "order.shipping",
            "order.completed",
            "snack.registered",
            "order.created",
            "order.canceled",
        ]
    );
    assert_eq!(types(&payloads(&app, few).await), ["budget.reached", "order.canceled"]);
    assert_eq!(payloads(&app, disabled).await, Vec::<Value>::new());

    // The order is as it was then, for no particular reader.
    let approved = &sent[2]["data"];
    assert_eq!((&approved["order"]["uid"], &approved["order"]["status"]), (&json!(order), &json!("approved")));
    assert_eq!(approved["order"]["purchases"][0]["unit_price"], "900");
    assert_eq!((&approved["reason"], &approved["actor"]["id"]), (&json!("좋아요"), &json!(admin.id)));
    assert_eq!(sent[1]["data"]["order"]["status"], "created");
    assert_eq!(sent[1]["data"]["actor"]["id"], member.id);
    assert_eq!(sent[0]["data"]["snack"]["registered_by"]["id"], member.id);
    assert_eq!(sent[0]["data"]["actor"]["id"], member.id);
    assert_eq!((&sent[3]["data"]["budget"]["committed"], &sent[3]["data"]["percent"]), (&json!("900"), &json!(80)));
    for payload in &sent {
        let at = payload["timestamp"].as_str().expect("a time");
        assert!(chrono::DateTime::parse_from_rfc3339(at).is_ok() && at.ends_with('Z'), "{at}");
    }
}

#[tokio::test]
async fn an_order_that_somebody_follows_is_sent_for_no_particular_reader() {
    let app = TestApp::start().await;
    let channel = channel(&app, &["order.approved"]).await;
    let admin = app.admin().await;
    let order = order_with_status(&app, &admin, "created").await;
    let follow = app.request(reqwest::Method::PUT, &format!("/orders/{order}/follow")).bearer_auth(&admin.access);
    app.send(follow).await.expect(204);
    advance_order(&app, &admin, &order, "approved").await;
    let sent = payloads(&app, channel).await.remove(0)["data"]["order"].clone();
    assert_eq!((&sent["follower_count"], &sent["followed_by_me"]), (&json!(1), &json!(false)));
}

#[tokio::test]
async fn every_imported_snack_is_told() {
    let app = TestApp::start().await;
    let channel = channel(&app, &["snack.registered"]).await;
    let admin = app.admin().await;
    let file = || reqwest::multipart::Part::text("name,price\n새우깡,1500\n,1\n초코파이,500\n");
    let form = || reqwest::multipart::Form::new().part("file", file());
    app.post_form(&admin, "/snacks/import?dry_run=true", form()).await.expect(200);
    assert_eq!(payloads(&app, channel).await, Vec::<Value>::new());
    app.post_form(&admin, "/snacks/import", form()).await.expect(200);
    let mut names: Vec<String> =
        payloads(&app, channel).await.iter().map(|payload| payload["data"]["snack"]["name"].to_string()).collect();
    names.sort();
    assert_eq!(names, ["\"새우깡\"", "\"초코파이\""]);
}

#[tokio::test]
async fn what_is_rolled_back_is_not_told() {
    let app = TestApp::start().await;
    let channel = channel(&app, &["order.created", "order.approved", "order.canceled", "snack.registered"]).await;
    let (admin, member) = (app.admin().await, app.member().await);
    let snack = app.snack(&member, "새우깡").await;
    // A commit that fails takes the outbox with it.
    let fail = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE CONSTRAINT TRIGGER fail_orders AFTER INSERT OR UPDATE ON orders DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION fail();
        CREATE CONSTRAINT TRIGGER fail_snacks AFTER INSERT ON snacks DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION fail()";
    let order = app.order(&member, &[&snack]).await;
    let before = (payloads(&app, channel).await, kinds(&app, &admin).await);
    sqlx::raw_sql(fail).execute(app.db()).await.expect("triggers");
    let other = sqlx::query_scalar::<_, String>(
        "INSERT INTO snacks (name, name_key, price) SELECT 'n', 'n', 1 WHERE false RETURNING uid::text",
    );
    assert!(other.fetch_optional(app.db()).await.expect("Postgres").is_none());
    app.post(&member, "/snacks", json!({"name": "초코파이", "price": "500"})).await.expect_error(500, "internal_error");
    app.set_status(&admin, &order, "approved").await.expect_error(500, "internal_error");
    app.set_status(&member, &order, "canceled").await.expect_error(500, "internal_error");
    assert_eq!((payloads(&app, channel).await, kinds(&app, &admin).await), before);
    assert_eq!(kinds(&app, &member).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_repeated_request_and_a_lost_race_tell_once() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let channel = channel(&app, &["order.created"]).await;
    let (admin, member) = (app.admin().await, app.member().await);
    let snack = app.snack(&member, "새우깡").await;
    let order = |server: &TestApp, key: &str| {
        let request = server.request(reqwest::Method::POST, "/orders").bearer_auth(&member.access);
        request.header("idempotency-key", key.to_owned()).json(&order_body(&[(&snack, 1)]))
    };
    let responses = join_all((0..8).map(|number| {
        let server = if number % 2 == 0 { &app } else { &replica };
        server.send(order(server, if number < 4 { "one" } else { "two" }))
    }))
    .await;
    let created = responses.iter().filter(|response| response.status == 201).count();
    assert_eq!(created, 4, "those with the key of the first");
    assert_eq!(types(&payloads(&app, channel).await), ["order.created"]);
    assert_eq!(kinds(&app, &admin).await, ["order_created"]);
}

#[tokio::test]
async fn mails_are_written_for_users_who_want_them_where_mail_is_set_up() {
    let mail = snack_server::config::MailConfig {
        smtp_url: "smtp://192.0.2.1".into(),
        from: "snack@office.example".parse().expect("a mailbox"),
    };
    let app = TestApp::with(|config| config.mail = Some(mail)).await;
    let (admin, other) = (app.admin().await, app.admin().await);
    let member = app.member().await;
    app.put(&admin, "/notifications/preferences", json!({"email": "all"})).await.expect(200);
    let mails = async || {
        let sql = "SELECT n.user_id, d.event FROM deliveries AS d JOIN notifications AS n ON n.id = d.notification_id";
        sqlx::query_as::<_, (i64, String)>(sql).fetch_all(app.db()).await.expect("mails")
    };
    order_with_status(&app, &member, "created").await;
    assert_eq!(mails().await, [(admin.id, "order_created".to_owned())]);
    assert_eq!(kinds(&app, &other).await, ["order_created"]);
    app.put(&admin, "/notifications/preferences", json!({"email": "none"})).await.expect(200);
    order_with_status(&app, &member, "created").await;
    assert_eq!(mails().await.len(), 1);

    let without = TestApp::start().await;
    let (admin, member) = (without.admin().await, without.member().await);
    without.put(&admin, "/notifications/preferences", json!({"email": "all"})).await.expect(200);
    order_with_status(&without, &member, "created").await;
    assert_eq!(count(without.db(), "SELECT count(*) FROM deliveries").await, 0);
}
