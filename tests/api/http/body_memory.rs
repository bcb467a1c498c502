//! Memory of request bodies: bodies that expand when they are parsed, and bodies that never end.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use snack_server::{
    app::{
        self,
        listener::{allow_connections, serve},
    },
    http::body_budget::BodyBudget,
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    database,
    process::{Run, Server},
    process_client::ProcessClient,
    test_app::{TestApp, connection_limits},
};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Limit for the growth of the server's memory, in MiB.
const MEMORY_LIMIT: u64 = 128;
/// Limit of a JSON body, in bytes.
const LIMIT: usize = 64 * 1024;

struct Setup {
    server: Server,
    client: ProcessClient,
    access: String,
}

impl Setup {
    async fn new() -> Self {
        allow_connections();
        let database = database::create().await;
        let server = Run::on(&database, &["serve"]).set("LIMIT_CONNECTIONS_ADDRESS", "4096").serve().await;
        let client = ProcessClient::new(&server);
        let (access, _) = client.member("kim@snack.example").await;
        Self { server, client, access }
    }

    async fn post(&self, path: &str, body: String) -> (u16, Value) {
        let request = self.client.http.post(self.client.url(path)).bearer_auth(&self.access);
        // With an idempotency key the body is digested as well.
        let request = request.header("content-type", "application/json").header("idempotency-key", "key");
        let response = request.body(body).send().await.expect("a response");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }
}

/// `begin`, then `text` repeated up to the limit of a body, then `end`.
fn filled(begin: &str, text: &str, end: &str) -> String {
    let count = (LIMIT - begin.len() - end.len()) / text.len();
    format!("{begin}{}{end}", text.repeat(count).trim_end_matches(','))
}

#[tokio::test]
async fn no_body_takes_much_more_memory_than_it_weighs() {
    let setup = Setup::new().await;
    let uid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    let order = format!(r#"{{"snacks":[{{"uid":"{uid}","quantity":1}}],"x":["#);
    let bodies = [
        ("/orders", filled(&order, r#"{"":0},"#, "]}"), 400),
        ("/orders", filled(&order, "[],", "]}"), 400),
        ("/orders", filled(&order, "0,", "]}"), 400),
        ("/orders", filled(r#"{"snacks":["#, "{},", "]}"), 400),
        ("/orders", filled(r#"{"snacks":["#, r#"{"uid":""},"#, "]}"), 400),
        ("/snacks", filled(r#"{"name":"a","price":["#, r#"{"":0},"#, "]}"), 400),
        ("/snacks", filled(r#"{"name":"a","price":1,"x":{"#, r#""":{},"#, "}}"), 201),
        ("/auth/token", filled(r#"{"username":["#, "[],", "]}"), 400),
    ];
    let before = setup.server.resident();
    for (path, body, expected) in bodies {
        assert!(body.len() > LIMIT - 64 && body.len() <= LIMIT);
        let responses = join_all((0..30).map(|_| setup.post(path, body.clone()))).await;
        let growth = setup.server.resident().saturating_sub(before);
        assert!(growth < MEMORY_LIMIT, "the server grew by {growth} MiB with {path} {}", &body[..60]);
        let first = responses.iter().find(|(status, _)| *status != 409).expect("a response without a conflict");
        assert_eq!(first.0, expected, "{path} {} {}", &body[..60], first.1);
    }
}

#[tokio::test]
async fn bodies_that_never_end_share_a_budget_and_others_are_served() {
    let setup = Setup::new().await;
    let server = &setup.server;
    let before = server.resident();
    let mut peak = before;
    let head = format!("Host: x\r\nAuthorization: Bearer {}\r\nContent-Length: 5000000\r\n", setup.access);
    let json = format!("POST /orders HTTP/1.1\r\nContent-Type: application/json\r\n{head}\r\n");
    let form = format!("POST /snacks HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n{head}\r\n--b\r\n");
    let unfinished = format!("{form}Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n");
    let mut connections = Vec::new();
    for (begin, weight) in [(json, 60 * 1024), (unfinished, 4 * 1024 * 1024)] {
        for _ in 0..6 {
            let senders = (0..50).map(|_| async {
                let mut stream = TcpStream::connect(&server.address).await.expect("a connection");
                let body = [begin.as_bytes(), &vec![b' '; weight]].concat();
                // The server may reject it before it has read all of it.
                let _ = timeout(Duration::from_secs(1), stream.write_all(&body)).await;
                stream
            });
            connections.extend(join_all(senders).await);
            peak = peak.max(server.resident());
        }
    }
    assert!(peak - before < MEMORY_LIMIT, "the server grew by {} MiB", peak - before);
    drop(connections);
    // The budget is free again.
    let served = async {
        let name = |number: usize| json!({"name": format!("간식 {number}"), "price": 100}).to_string();
        let mut number = 0;
        while setup.post("/snacks", name(number)).await.0 != 201 {
            number += 1;
        }
    };
    timeout(TIMEOUT, served).await.expect("a server that serves again");
}

#[tokio::test]
async fn past_the_budget_a_body_is_refused_with_a_503() {
    let app = TestApp::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let limits = connection_limits(100, 100, TIMEOUT);
    let mut service = app::router::service(&app.state);
    service.request_bytes = BodyBudget::new(1000);
    let server = tokio::spawn(serve(listener, service, limits, stop.clone()));
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
    let wait_for_status = async |expected: u16| {
        let polling = async {
            loop {
                let request = http.post(format!("http://{address}/auth/logout"));
                let request = request.header("content-type", "application/json").body(" ".repeat(500));
                let response = request.send().await.expect("a response");
                if response.status() == expected {
                    return response;
                }
            }
        };
        timeout(TIMEOUT, polling).await.expect("another status")
    };
    wait_for_status(400).await;
    let mut unfinished = TcpStream::connect(address).await.expect("a connection");
    let head =
        "POST /auth/logout HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2000\r\n\r\n";
    unfinished.write_all(&[head.as_bytes(), &[b' '; 900]].concat()).await.expect("half a request");
    assert_eq!(wait_for_status(503).await.headers()["retry-after"], "1");
    drop(unfinished);
    wait_for_status(400).await;
    stop.cancel();
    server.await.expect("a server that ends");
}
