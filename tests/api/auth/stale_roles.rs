//! Servers that hear nothing of changes: a demotion and a resignation apply there too, within ten seconds.

use std::time::Duration;

use serde_json::json;
use snack_server::auth::user_cache::STATUS_TTL;
use sqlx::{ConnectOptions, PgPool};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::support::{
    database::through_proxy,
    event_stream::EventStream,
    process::Run,
    process_client::ProcessClient,
    proxy::{Mode, Proxy},
    test_app::TestApp,
};

/// Bound for a demotion, as docs/OPERATIONS.md says.
const APPLIES_WITHIN: Duration = Duration::from_secs(10);
/// Time that a test waits for anything else.
const TIMEOUT: Duration = Duration::from_secs(30);

async fn notify(db: &PgPool) {
    sqlx::query("NOTIFY user_changed, '0'").execute(db).await.expect("a notification");
}

/// Makes the connection that listens through `proxy` silent for good.
async fn silence_listener(proxy: &Proxy, db: &PgPool) {
    proxy.set_mode(Mode::BlackHole);
    notify(db).await;
    timeout(TIMEOUT, proxy.wait_until_silenced(1)).await.expect("a notification on its way to the server");
    proxy.set_mode(Mode::Pass);
}

#[tokio::test]
async fn a_demotion_and_a_resignation_apply_at_a_server_whose_channel_is_silent() {
    let app = TestApp::start().await;
    let (admin, demoted, resigned) = (app.admin().await, app.admin().await, app.member().await);
    let (proxy, proxied) = through_proxy(&app.state.config.database_direct).await;
    let mut config = app.state.config.as_ref().clone();
    config.database_direct = proxied;
    let replica = TestApp::serve(config).await;
    let mut changes = replica.state.auth.user_cache.subscribe();
    while timeout(Duration::from_millis(100), changes.recv()).await.is_err() {
        notify(app.db()).await;
    }
    let is_admin = async || replica.get(&demoted, "/checks/is_admin").await.status.as_u16();
    assert_eq!(is_admin().await, 200);
    let stream = EventStream::open(&replica, &resigned).await;

    silence_listener(&proxy, app.db()).await;
    let since = Instant::now();
    app.put(&admin, &format!("/auth/users/{}", demoted.id), json!({"member_type": "member"})).await.expect(200);
    app.delete(&resigned, "/auth/users/resign").await.expect(204);
    // The silent server knows nothing of it yet.
    assert_eq!(is_admin().await, 200);
    let demotion = async {
        while is_admin().await != 403 {
            sleep(Duration::from_millis(10)).await;
        }
        since.elapsed()
    };
    let end = async {
        stream.end().await;
        since.elapsed()
    };
    let (demotion, end) = tokio::join!(demotion, end);
    assert!(demotion < APPLIES_WITHIN && end < APPLIES_WITHIN, "{demotion:?}, {end:?}");
}

#[tokio::test]
async fn a_server_that_was_stopped_does_not_act_on_what_it_remembers_of_users() {
    let app = TestApp::start().await;
    let (admin, demoted, resigned, other) =
        (app.admin().await, app.admin().await, app.member().await, app.member().await);
    let (proxy, proxied) = through_proxy(&app.state.config.database_direct).await;
    let server = Run::on(&app.state.config.database, &["serve"])
        .set("DATABASE_DIRECT_URL", proxied.to_url_lossy().as_str())
        .set("JWT_SECRET", TestApp::SECRET)
        // Connections that are not used for ten seconds stay open.
        .set("TRUSTED_PROXIES", "127.0.0.1")
        .set("REDIS_PREFIX", &app.state.config.redis_prefix)
        .serve()
        .await;
    let client = ProcessClient::new(&server);
    // It listens, in addition to the server in this process.
    let listening = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'snack-server listener' AND query <> ''";
    let waiting =
        async { while sqlx::query_scalar::<_, i64>(listening).fetch_one(app.db()).await.expect("a count") < 2 {} };
    timeout(TIMEOUT, waiting).await.expect("a server that listens");
    assert_eq!(client.get(&demoted.access, "/checks/is_admin").await.0, 200);
    let mut stream = EventStream::send(client.http.get(client.url("/events")).bearer_auth(&resigned.access)).await;
    // One event has arrived, so the next ones would too.
    let first = app.snack(&other, "새우깡").await;
    stream.wait_for("snack", json!({"uid": first})).await;
    let mut connections = Vec::new();
    for _ in 0..8 {
        connections.push(TcpStream::connect(&server.address).await.expect("a connection"));
    }

    server.signal("-STOP");
    server.wait_until_stopped().await;
    let request = format!(
        "GET /checks/is_admin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        demoted.access
    );
    for connection in &mut connections {
        connection.write_all(request.as_bytes()).await.expect("a request");
    }
    silence_listener(&proxy, app.db()).await;
    app.put(&admin, &format!("/auth/users/{}", demoted.id), json!({"member_type": "member"})).await.expect(200);
    app.delete(&resigned, "/auth/users/resign").await.expect(204);
    app.snack(&other, "양파링").await;
    // What the server remembers is too old after this time, and not before.
    sleep(STATUS_TTL).await;
    server.signal("-CONT");

    for mut connection in connections {
        let mut response = String::new();
        let read = timeout(TIMEOUT, connection.read_to_string(&mut response)).await;
        read.expect("a response in time").expect("a response");
        assert!(response.starts_with("HTTP/1.1 403"), "{response}");
    }
    assert_eq!(stream.next().await, None, "an event for a user who has resigned");
}
