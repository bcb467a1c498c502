//! Memory that sign-ins leave behind, and that of streams of events.

use std::thread::available_parallelism;

use chrono::Utc;
use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use reqwest::multipart;
use serde_json::json;
use snack_server::app::listener::allow_connections;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    database,
    event_stream::TIMEOUT,
    process::{Run, SECRET, Server},
    process_client::{ProcessClient, send},
    test_app::PASSWORD,
    tokens,
};

/// A server without a limit of sign-ins.
async fn serve() -> Server {
    let run = Run::on(&database::create().await, &["serve"]);
    ["LIMIT_SIGN_IN_ACCOUNT", "LIMIT_SIGN_IN_ADDRESS"]
        .into_iter()
        .fold(run, |run, limit| run.set(limit, "1000000/1s"))
        .serve()
        .await
}

#[tokio::test]
async fn hashing_keeps_one_buffer_for_each_core() {
    let server = serve().await;
    let client = ProcessClient::new(&server);
    let before = server.resident();
    client.member("kim@snack.example").await;
    let sign_in = || client.post("", "/auth/token", json!({"username": "kim@snack.example", "password": PASSWORD}));
    for _ in 0..60 {
        assert_eq!(sign_in().await.0, 200);
    }
    for (status, _) in join_all((0..60).map(|_| sign_in())).await {
        assert_eq!(status, 200);
    }
    let growth = server.resident().saturating_sub(before);
    let allowed = available_parallelism().map_or(1, |cores| cores.get() as u64) * 19 + 32;
    assert!(growth < allowed, "{before} MiB and {growth} MiB more, {allowed} MiB are allowed");
}

#[tokio::test]
async fn long_and_many_user_names_leave_no_memory_behind() {
    let server = serve().await;
    let client = ProcessClient::new(&server);
    let before = server.resident();
    for number in 0..1000 {
        let body = json!({"username": format!("{number:0>60000}"), "password": PASSWORD});
        assert_eq!(client.post("", "/auth/token", body).await.0, 401);
    }
    let growth = server.resident().saturating_sub(before);
    assert!(growth < 24, "{before} MiB and {growth} MiB more");
}

/// Access tokens of `count` new users.
async fn access_tokens(database: &PgConnectOptions, count: i32) -> Vec<String> {
    let mut connection = PgConnection::connect_with(database).await.expect("Postgres");
    let ids: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO users (email, email_key, name, name_key, password_hash, member_type)
         SELECT n, n, n, n, '', 'admin' FROM (SELECT 'user ' || n AS n FROM generate_series(1, $1) AS n) AS names RETURNING id",
    )
    .bind(count)
    .fetch_all(&mut connection)
    .await
    .expect("users");
    let now = Utc::now().timestamp();
    let token = |id: &i64| {
        let claims =
            json!({"token_type": "access", "user_id": id, "jti": uuid::Uuid::new_v4(), "iat": now, "exp": now + 3600});
        tokens::sign(&claims, Algorithm::HS256, SECRET)
    };
    ids.iter().map(token).collect()
}

/// Opens ten streams for each token and reads their first comments.
async fn open_streams(server: &Server, tokens: &[String]) -> Vec<TcpStream> {
    let open = async |token: &String| {
        let mut stream = TcpStream::connect(&server.address).await.expect("a connection");
        let request = format!("GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        read_to(&mut stream, b":\n\n\r\n").await;
        stream
    };
    let mut streams = Vec::new();
    for token in tokens {
        streams.extend(join_all((0..10).map(|_| open(token))).await);
    }
    streams
}

/// Reads until the bytes end with `last`.
async fn read_to(stream: &mut TcpStream, last: &[u8]) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while !bytes.ends_with(last) {
        let read = timeout(TIMEOUT, stream.read(&mut buffer)).await.expect("bytes in time").expect("bytes");
        assert!(read > 0, "the stream ended: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..read]);
    }
}

/// Connections to the database, with this one.
async fn connections(database: &PgConnectOptions) -> i64 {
    let mut connection = PgConnection::connect_with(database).await.expect("Postgres");
    sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        .fetch_one(&mut connection)
        .await
        .expect("a count")
}

/// A server that gets all its connections from this address.
async fn serve_streams(database: &PgConnectOptions) -> Server {
    allow_connections();
    Run::on(database, &["serve"]).set("LIMIT_CONNECTIONS_ADDRESS", "4096").serve().await
}

#[tokio::test]
async fn thousands_of_streams_take_little_memory_and_no_connections_to_postgres() {
    let database = database::create().await;
    let server = serve_streams(&database).await;
    // More than the requests that the server handles at once.
    let tokens = access_tokens(&database, 210).await;
    let client = ProcessClient::new(&server);
    drop(open_streams(&server, &tokens[..1]).await);
    let (before, connections_before) = (server.resident(), connections(&database).await);
    let mut streams = open_streams(&server, &tokens).await;
    assert_eq!(streams.len(), 2100);
    let body = json!({"name": "새우깡", "price": 100});
    assert_eq!(client.post(&tokens[0], "/snacks", body).await.0, 201);
    for stream in &mut streams {
        read_to(stream, b"\"orderable\":true}\n\n\r\n").await;
    }
    let (growth, connections_after) = (server.resident().saturating_sub(before), connections(&database).await);
    println!("2,100 streams take {growth} MiB, {connections_before} connections before and {connections_after} after");
    assert!(growth < 64, "{before} MiB and {growth} MiB more");
    // At most 18 of the server, and the one that counts them.
    assert!(connections_after <= 19, "{connections_before} and then {connections_after}");
    let (_, metrics) = send_text(&client, "/metrics").await;
    assert!(metrics.lines().any(|line| line == "live_streams 2100"), "{metrics}");
}

async fn send_text(client: &ProcessClient, path: &str) -> (u16, String) {
    let response = client.http.get(client.url(path)).send().await.expect("a response");
    (response.status().as_u16(), response.text().await.expect("a text"))
}

#[tokio::test]
async fn streams_that_are_not_read_take_no_memory() {
    let database = database::create().await;
    let server = serve_streams(&database).await;
    let tokens = access_tokens(&database, 31).await;
    let client = ProcessClient::new(&server);
    let streams = open_streams(&server, &tokens[..30]).await;
    let mut reader = open_streams(&server, &tokens[30..]).await.swap_remove(0);
    let before = server.resident();
    // Each import is 150 kB for each stream.
    for round in 0..12 {
        let rows: Vec<_> = (0..900).map(|row| format!("간식 {round} {row},100\n")).collect();
        let file = multipart::Part::text(format!("name,price\n{}", rows.concat())).file_name("snacks.csv");
        let request = client.http.post(client.url("/snacks/import")).bearer_auth(&tokens[0]);
        let (status, import) = send(request.multipart(multipart::Form::new().part("file", file))).await;
        assert_eq!((status, &import["created"]), (200, &json!(900)));
        read_to(&mut reader, b"\"orderable\":true}\n\n\r\n").await;
    }
    let growth = server.resident().saturating_sub(before);
    println!("{} streams that are not read take {growth} MiB", streams.len());
    assert!(growth < 48, "{before} MiB and {growth} MiB more");
}
