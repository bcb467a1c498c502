//! The end of streams, and their number.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::support::{
    database,
    event_stream::{EventStream, TIMEOUT},
    test_app::TestApp,
};

#[tokio::test]
async fn a_user_has_ten_streams_and_another_when_one_has_ended() {
    let app = TestApp::start().await;
    let (member, other) = (app.member().await, app.member().await);
    // Requests for the headers alone leave no streams open.
    for _ in 0..20 {
        let head = app.request(Method::HEAD, "/events").bearer_auth(&member.access);
        app.send(head).await.expect(200);
    }
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(EventStream::open(&app, &member).await);
    }
    let refused = app.get(&member, "/events").await;
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    refused.expect_error(429, "too_many_requests");
    let _other = EventStream::open(&app, &other).await;
    // Another server counts by itself.
    let replica = app.replica().await;
    let _there = EventStream::open(&replica, &member).await;

    streams.pop();
    let reopened = async { while app.get(&member, "/events").await.status != 200 {} };
    timeout(TIMEOUT, reopened).await.expect("a stream after one was closed");
    drop(streams);
    let emptied = async {
        while !app.state.live.streams.users_among([member.id]).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, emptied).await.expect("no stream");
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires() {
    let ttl = Duration::from_secs(3);
    let app = TestApp::with(|config| config.access_token_ttl = ttl).await;
    let member = app.member().await;
    let member = app.sign_in(member.id, &member.email).await;
    let started = Instant::now();
    let stream = EventStream::open(&app, &member).await;
    stream.end().await;
    let lasted = started.elapsed();
    // Tokens expire at whole seconds.
    assert!((ttl / 3..ttl * 3).contains(&lasted), "{lasted:?}");
    app.get(&member, "/events").await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn a_resignation_ends_the_streams_at_every_server() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    let (member, other) = (app.member().await, app.member().await);
    let here = EventStream::open(&app, &member).await;
    let there = EventStream::open(&replica, &member).await;
    let mut others = EventStream::open(&app, &other).await;
    let started = Instant::now();
    app.delete(&member, "/auth/users/resign").await.expect(204);
    here.end().await;
    there.end().await;
    // Far less than the interval of rechecks.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    app.get(&member, "/events").await.expect_error(401, "invalid_token");
    app.snack(&other, "새우깡").await;
    others.wait_for("snack", json!({})).await;
}

#[tokio::test]
async fn a_user_who_is_deleted_in_the_database_loses_their_streams() {
    for sql in ["UPDATE users SET is_deleted = true WHERE id = $1", "DELETE FROM users WHERE id = $1"] {
        let app = TestApp::start().await;
        database::allow_deletion(app.db()).await;
        let member = app.users(1).await.remove(0);
        let stream = EventStream::open(&app, &member).await;
        let started = Instant::now();
        sqlx::query(sql).bind(member.id).execute(app.db()).await.expect(sql);
        stream.end().await;
        assert!(started.elapsed() < Duration::from_secs(8), "{sql}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_change_of_role_does_not_end_a_stream() {
    let app = TestApp::start().await;
    let (admin, member) = (app.admin().await, app.member().await);
    let mut stream = EventStream::open(&app, &member).await;
    app.patch(&admin, &format!("/auth/users/{}", member.id), json!({"member_type": "admin"})).await.expect(200);
    app.snack(&admin, "새우깡").await;
    stream.wait_for("snack", json!({})).await;
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_in_order_and_opens_no_more() {
    let app = TestApp::start().await;
    let member = app.member().await;
    let streams = [EventStream::open(&app, &member).await, EventStream::open(&app, &member).await];
    let started = Instant::now();
    app.state.stop.cancel();
    // It goes on accepting requests for a second.
    app.send(app.request(Method::GET, "/events").bearer_auth(&member.access)).await.expect_error(503, "unavailable");
    for stream in streams {
        stream.end().await;
    }
    app.stop().await;
    // Streams do not hold the shutdown up for its drain timeout.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}
