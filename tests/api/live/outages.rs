//! Redis or Postgres away, and messages that are not understood.

use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::servers::{channel, command, subscribed};
use crate::support::{
    database::{self, through_proxy},
    event_stream::EventStream,
    proxy::{Mode, Proxy},
    redis::Redis,
    test_app::{TestApp, settings},
};

#[tokio::test]
async fn without_redis_a_server_sends_its_own_changes_and_after_it_is_back_all_servers_resync() {
    let mut redis = Redis::start().await;
    let one = redis.app().await;
    let two = one.replica().await;
    subscribed(&one, 2).await;
    let member = one.member().await;
    let uid = one.snack(&member, "새우깡").await;
    let path = format!("/snacks/{uid}/reaction");
    let mut streams = [EventStream::open(&one, &member).await, EventStream::open(&two, &member).await];

    redis.kill();
    one.post(&member, &path, json!({"type": "like"})).await.expect(200);
    streams[0].wait_for("snack", json!({"uid": uid, "like_reaction_count": 1})).await;
    two.delete(&member, &path).await.expect(200);
    streams[1].wait_for("snack", json!({"uid": uid, "like_reaction_count": 0})).await;

    redis.launch().await;
    for stream in &mut streams {
        stream.wait_for("resync", json!({})).await;
    }
    subscribed(&one, 2).await;
    for (server, kind) in [(&one, "like"), (&two, "hate")] {
        server.post(&member, &path, json!({"type": kind})).await.expect(200);
        let expected = json!({"uid": uid, "like_reaction_count": i32::from(kind == "like")});
        for stream in &mut streams {
            stream.wait_for("snack", expected.clone()).await;
        }
    }
}

#[tokio::test]
async fn what_could_not_be_published_is_published_later() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(0, format!("127.0.0.1:{}", redis.port)).await;
    let two = redis.app().await;
    let one = {
        let mut config = two.state.config.as_ref().clone();
        config.redis_url = format!("redis://127.0.0.1:{}", proxy.port).parse().expect("a URL");
        TestApp::serve(config).await
    };
    subscribed(&two, 2).await;
    let member = one.member().await;
    let mut stream = EventStream::open(&two, &member).await;
    let uid = one.snack(&member, "새우깡").await;
    stream.wait_for("snack", json!({"uid": uid})).await;
    // One server is cut off, and the other one's subscription goes on.
    proxy.set_mode(Mode::Refuse);
    one.post(&member, &format!("/snacks/{uid}/reaction"), json!({"type": "like"})).await.expect(200);
    let mut local = EventStream::open(&one, &member).await;
    one.put(&one.admin().await, &format!("/snacks/{uid}/status"), json!({"status": "unavailable"})).await.expect(200);
    local.wait_for("snack", json!({"uid": uid, "orderable": false})).await;
    proxy.set_mode(Mode::Pass);
    stream.wait_for("snack", json!({"uid": uid, "orderable": false})).await;
}

#[tokio::test]
async fn a_subscription_that_has_gone_silent_is_replaced() {
    let redis = Redis::start().await;
    let proxy = Proxy::start(0, format!("127.0.0.1:{}", redis.port)).await;
    let two = redis.app().await;
    let one = {
        let mut config = two.state.config.as_ref().clone();
        config.redis_url = format!("redis://127.0.0.1:{}", proxy.port).parse().expect("a URL");
        TestApp::serve(config).await
    };
    subscribed(&two, 2).await;
    let member = two.member().await;
    let mut stream = EventStream::open(&one, &member).await;
    let mut there = EventStream::open(&two, &member).await;
    let message = json!({"version": 1, "server": uuid::Uuid::new_v4(), "months": ["2026-11"]}).to_string();
    let publish = redis::cmd("PUBLISH").arg(channel(&two)).arg(message).clone();
    loop {
        // The message is lost on its way to one server, whose connection stays silent from then on.
        proxy.set_mode(Mode::BlackHole);
        let receivers: i64 = command(&two, &publish).await;
        assert_eq!(receivers, 2);
        there.wait_for("budget", json!({})).await;
        proxy.set_mode(Mode::Pass);
        match stream.next().await.expect("an event").name.as_str() {
            "resync" => break,
            // It had not come to the proxy yet.
            "budget" => {}
            other => panic!("{other}"),
        }
    }
    let uid = two.snack(&member, "새우깡").await;
    two.post(&member, &format!("/snacks/{uid}/reaction"), json!({"type": "like"})).await.expect(200);
    stream.wait_for("snack", json!({"uid": uid, "like_reaction_count": 1})).await;
}

#[tokio::test]
async fn messages_that_are_not_understood_are_ignored() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    subscribed(&app, 2).await;
    let member = app.member().await;
    let mut stream = EventStream::open(&app, &member).await;
    let uid = app.snack(&member, "새우깡").await;
    stream.wait_for("snack", json!({"uid": uid})).await;
    let server = uuid::Uuid::new_v4();
    let messages = [
        "no JSON".to_owned(),
        json!({"version": 2, "server": server, "resync": true}).to_string(),
        json!({"server": server, "resync": true}).to_string(),
        json!({"version": 1, "server": server, "snacks": "all"}).to_string(),
        json!({"version": 1, "server": server, "resync": true, "padding": "x".repeat(300_000)}).to_string(),
        // A field of a later release.
        json!({"version": 1, "server": server, "months": ["2026-11"], "channels": [1]}).to_string(),
    ];
    for message in messages {
        let receivers: i64 = command(&app, redis::cmd("PUBLISH").arg(channel(&app)).arg(message)).await;
        assert_eq!(receivers, 2);
    }
    let event = stream.next().await.expect("an event");
    assert_eq!((event.name.as_str(), &event.data), ("budget", &json!({"month": "2026-11"})));
    replica.snack(&member, "양파링").await;
    stream.wait_for("snack", json!({})).await;
}

#[tokio::test]
async fn after_postgres_was_away_changes_are_sent_and_streams_of_deleted_users_end() {
    let database = database::create().await;
    let (proxy, proxied) = through_proxy(&database).await;
    let app = TestApp::serve(settings(proxied)).await;
    let users = app.users(2).await;
    let mut stream = EventStream::open(&app, &users[0]).await;
    let uid = app.snack(&users[0], "새우깡").await;
    let deleted = EventStream::open(&app, &users[1]).await;
    stream.wait_for("snack", json!({"uid": uid})).await;
    proxy.set_mode(Mode::Refuse);
    app.state.changes.snacks([uid.parse().expect("a uid")]);
    let mut connection = PgConnection::connect_with(&database).await.expect("Postgres");
    for sql in ["UPDATE snacks SET status = 'unavailable'", "UPDATE users SET is_deleted = true WHERE id <> $1"] {
        let update = sqlx::query(sql);
        let update = if sql.contains("$1") { update.bind(users[0].id) } else { update };
        update.execute(&mut connection).await.expect(sql);
    }
    proxy.set_mode(Mode::Pass);
    stream.wait_for("snack", json!({"uid": uid, "orderable": false})).await;
    deleted.end().await;
}
