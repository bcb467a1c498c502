//! Start, logs and graceful shutdown of the server process.

use std::time::Duration;

use futures_util::future::join;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{
    database,
    process::{Run, SECRET},
    process_client::{HalfRequest, ProcessClient, send},
    test_app::PASSWORD,
};

#[tokio::test]
async fn two_servers_that_start_at_once_on_an_empty_database_both_come_up() {
    let database = database::create_empty().await;
    let run = Run::on(&database, &[]);
    let (one, two) = (run.clone(), run.set("HTTP_ADDR", "127.0.0.1:0"));
    let (one, two) = join(one.serve(), two.serve()).await;
    assert_ne!(one.address, two.address);
    // Both serve the same database: a user of one can sign in at the other.
    let (access, _) = ProcessClient::new(&one).member("kim@snack.example").await;
    let (status, profile) = ProcessClient::new(&two).get(&access, "/auth/users/profile").await;
    assert_eq!((status, &profile["email"]), (200, &json!("kim@snack.example")));
    for server in [one, two] {
        assert_eq!(ProcessClient::new(&server).get("", "/health/ready").await.0, 200);
        server.signal("-TERM");
        let (code, _, stdout) = server.wait().await;
        assert_eq!((code, stdout.as_str()), (Some(0), ""));
    }
}

#[tokio::test]
async fn healthcheck_tells_a_server_that_is_ready_from_one_that_is_not() {
    let database = database::create().await;
    let server = Run::on(&database, &["serve"]).serve().await;
    let check = |address: &str| Run::bare(&["healthcheck"]).set("HTTP_ADDR", address);
    assert_eq!(check(&server.address).end().await.expect_success(), "");
    let port = server.address.rsplit_once(':').expect("a port").1;
    // The unspecified address that a server listens on is not an address to connect to.
    check(&format!("0.0.0.0:{port}")).end().await.expect_success();

    server.signal("-INT");
    let address = server.address.clone();
    assert_eq!(server.wait().await.0, Some(0));
    check(&address).end().await.expect_failure();

    // This server listens, and is not ready.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let not_ready = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 1024];
        let read = stream.read(&mut request).await.expect("a request");
        assert!(request[..read].starts_with(b"GET /health/ready "));
        let response = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(response).await.expect("a response");
    };
    let (ended, ()) = join(check(&address).end(), not_ready).await;
    ended.expect_failure();
}

#[tokio::test]
async fn a_stopping_server_finishes_its_requests_and_accepts_no_new_ones() {
    let database = database::create().await;
    let server = Run::on(&database, &["serve"]).serve().await;
    let half = HalfRequest::send(&server).await;
    // A later request has been answered, so the server has received the half.
    assert_eq!(ProcessClient::new(&server).get("", "/health/ready").await.0, 200);

    server.signal("-TERM");
    server.wait_for_log("server stopping").await;
    let refused = async { while TcpStream::connect(&server.address).await.is_ok() {} };
    timeout(Duration::from_secs(5), refused).await.expect("a server that takes no new connections");

    half.complete().await;
    let (code, lines, stdout) = server.wait().await;
    assert_eq!((code, stdout.as_str()), (Some(0), ""));
    assert!(lines.last().expect("a line").contains("\"server stopped\""), "{lines:?}");
}

#[tokio::test]
async fn a_stopping_server_says_that_it_is_not_ready_and_logs_no_error_for_it() {
    let database = database::create().await;
    let server = Run::on(&database, &["serve"]).set("SHUTDOWN_DELAY", "2s").serve().await;
    let client = ProcessClient::new(&server);
    server.signal("-TERM");
    server.wait_for_log("server stopping").await;
    assert_eq!(client.get("", "/health/ready").await.0, 503);
    let (code, lines, _) = server.wait().await;
    assert_eq!(code, Some(0));
    assert!(!lines.iter().any(|line| line.contains("ERROR")), "{lines:?}");
}

#[tokio::test]
async fn a_server_that_stops_writes_down_what_it_has_counted() {
    let database = database::create().await;
    let run = Run::on(&database, &["serve"]).set("REACTION_FLUSH_INTERVAL", "1day");
    let server = run.serve().await;
    let client = ProcessClient::new(&server);
    let (access, _) = client.member("kim@snack.example").await;
    let snack = json!({"name": "새우깡", "price": "1500"});
    let (_, snack) = client.post(&access, "/snacks", snack).await;
    let path = format!("/snacks/{}/reaction", snack["uid"].as_str().expect("a uid"));
    assert_eq!(client.post(&access, &path, json!({"type": "like"})).await.0, 200);
    server.signal("-TERM");
    assert_eq!(server.wait().await.0, Some(0));
    let mut connection = PgConnection::connect_with(&database).await.expect("Postgres");
    let likes: i32 =
        sqlx::query_scalar("SELECT like_reaction_count FROM snacks").fetch_one(&mut connection).await.expect("a count");
    assert_eq!(likes, 1);
}

#[tokio::test]
async fn every_log_line_is_json_with_the_request_id_and_without_any_secret() {
    let database = database::create().await;
    let run = Run::on(&database, &["serve"]).set("RUST_LOG", "debug").unset("LOG_FORMAT");
    let server = run.serve().await;
    let client = ProcessClient::new(&server);
    let (access, refresh) = client.member("kim@snack.example").await;
    let wrong = json!({"username": "kim@snack.example", "password": "a wrong secret"});
    assert_eq!(client.post("", "/auth/token", wrong).await.0, 401);
    let (_, pair) = client.post("", "/auth/token/refresh", json!({"refresh": refresh})).await;
    let successor = pair["refresh"].as_str().expect("a token").to_owned();
    let change = json!({"current_password": PASSWORD, "new_password": "the next secret"});
    let request = client.http.put(client.url("/auth/users/password"));
    assert_eq!(send(request.bearer_auth(&access).json(&change)).await.0, 204);
    // Also in places where they do not belong.
    let path = format!("/nothing?token={access}&password={PASSWORD}");
    assert_eq!(client.get(&access, &path).await.0, 404);
    assert_eq!(client.post(&access, "/auth/logout", json!({"refresh": successor})).await.0, 204);
    server.signal("-TERM");
    let (code, lines, stdout) = server.wait().await;
    assert_eq!((code, stdout.as_str()), (Some(0), ""));

    let url = sqlx::ConnectOptions::to_url_lossy(&database);
    let mut secrets = vec![PASSWORD, "a wrong secret", "the next secret", SECRET, "$argon2", "Bearer "];
    for token in [&access, &refresh, &successor] {
        // The parts of a token that identify it: the claims and the signature.
        secrets.extend(token.split('.').skip(1));
    }
    secrets.extend(url.password());
    for line in &lines {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["timestamp"].is_string() && event["level"].is_string(), "{line}");
        for secret in &secrets {
            assert!(!line.contains(secret), "{secret}: {line}");
        }
    }
    let completed: Vec<_> = lines.iter().filter(|line| line.contains("\"request completed\"")).collect();
    assert_eq!(completed.len(), 7);
    assert!(completed.iter().all(|line| line.contains("follow-me-7")), "{completed:?}");
}

#[tokio::test]
async fn a_background_task_that_fails_logs_the_causes() {
    let database = database::create().await;
    let server = Run::on(&database, &["serve"]).set("REACTION_FLUSH_INTERVAL", "50ms").serve().await;
    let mut connection = PgConnection::connect_with(&database).await.expect("Postgres");
    sqlx::query("ALTER TABLE reaction_dirty RENAME TO renamed").execute(&mut connection).await.expect("a new name");
    server.wait_for_log("reaction flush").await;
    sqlx::query("ALTER TABLE renamed RENAME TO reaction_dirty").execute(&mut connection).await.expect("the old name");
    server.signal("-TERM");
    let (_, lines, _) = server.wait().await;
    let line = lines.iter().find(|line| line.contains("reaction flush")).expect("a log line");
    let event: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(event["message"], "background task failed");
    let error = event["error"].as_str().expect("an error");
    assert!(error.contains("relation \"reaction_dirty\" does not exist"), "{error}");
}

/// Arguments of all calls of the macros of `tracing` in `source`.
fn log_calls(source: &str) -> impl Iterator<Item = &str> {
    let macros = ["warn!(", "error!(", "info!(", "debug!("];
    let calls = source.match_indices("tracing::").map(|(at, _)| &source[at + "tracing::".len()..]);
    calls.filter(move |call| macros.iter().any(|name| call.starts_with(name))).map(|call| {
        let end = call.find("\");").unwrap_or(call.len());
        &call[..end]
    })
}

#[test]
fn every_logged_error_has_its_causes() {
    let (mut folders, mut calls) = (vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some("rs".as_ref()) {
                let source = std::fs::read_to_string(&path).expect("a file");
                for call in log_calls(&source) {
                    calls += 1;
                    let plain = ["%error", "?error", "%err", "?outcome", "= error,"];
                    let is_plain = plain.iter().any(|field| call.contains(field));
                    assert!(!is_plain, "{}: use error = %chain(&error): {call}", path.display());
                }
            }
        }
    }
    assert!(calls > 15, "{calls} calls");
}
