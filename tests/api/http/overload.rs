//! Load beyond the limits, and a handler that panics: other requests are served.

use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use futures_util::future::join_all;
use snack_server::app::{self, connections::ConnectionLimits, listener};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    database,
    process::{Run, Server},
    test_app::{TestApp, connection_limits},
};

const TIMEOUT: Duration = Duration::from_secs(30);

async fn start() -> Server {
    listener::allow_connections();
    let database = database::create().await;
    // All connections come from one address.
    Run::on(&database, &["serve"]).set("LIMIT_CONNECTIONS_ADDRESS", "4096").serve().await
}

async fn status(server: &Server, path: &str) -> (u16, Option<String>) {
    let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().expect("a client");
    let response = http.get(format!("http://{}{path}", server.address)).send().await.expect("a response");
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().expect("text").to_owned());
    (response.status().as_u16(), retry_after)
}

/// Repeats a request until its status is `expected`.
async fn wait_for_status(server: &Server, path: &str, expected: u16) -> Option<String> {
    let since = Instant::now();
    loop {
        let (status, retry_after) = status(server, path).await;
        if status == expected {
            return retry_after;
        }
        assert!(since.elapsed() < TIMEOUT, "{path} is still a {status}");
    }
}

#[tokio::test]
async fn past_its_limit_of_requests_the_server_responds_with_503() {
    let server = start().await;
    let half_request =
        b"POST /auth/logout HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    let senders = join_all((0..2048).map(|_| async {
        let mut stream = TcpStream::connect(&server.address).await.expect("a connection");
        stream.write_all(half_request).await.expect("half a request");
        stream
    }));
    let senders = senders.await;
    assert_eq!(wait_for_status(&server, "/snacks", 503).await.as_deref(), Some("1"));
    // Health checks and metrics pass.
    assert_eq!(status(&server, "/health/ready").await.0, 200);
    assert_eq!(status(&server, "/metrics").await.0, 200);
    drop(senders);
    wait_for_status(&server, "/snacks", 401).await;
}

#[tokio::test]
async fn past_the_limit_a_connection_waits_to_be_accepted() {
    let app = TestApp::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let server = tokio::spawn(listener::serve(
        listener,
        app::router::service(&app.state),
        connection_limits(3, 3, TIMEOUT),
        stop.clone(),
    ));
    let open = async || {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a request");
        stream
    };
    let status = async |stream: &mut TcpStream| {
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.map(|_| status)
    };
    let mut senders = [open().await, open().await, open().await];
    for stream in &mut senders {
        assert_eq!(&status(stream).await.expect("a response"), b"HTTP/1.1 200");
    }
    let mut late = open().await;
    let early = timeout(Duration::from_millis(300), status(&mut late)).await;
    assert!(early.is_err(), "served past the limit: {early:?}");
    drop(senders);
    assert_eq!(&status(&mut late).await.expect("a place"), b"HTTP/1.1 200");
    drop(late);
    stop.cancel();
    server.await.expect("a server that ends");
}

#[tokio::test]
async fn an_unused_connection_is_closed_by_a_trusted_proxy_and_not_by_the_server() {
    let app = TestApp::start().await;
    let stop = CancellationToken::new();
    let open = async |trusted_proxies| {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let limits = ConnectionLimits { trusted_proxies, ..connection_limits(10, 10, TIMEOUT) };
        tokio::spawn(listener::serve(listener, app::router::service(&app.state), limits, stop.clone()));
        TcpStream::connect(address).await.expect("a connection")
    };
    let mut of_proxy = open(vec!["127.0.0.1/32".parse().expect("a network")]).await;
    let mut of_client = open(Vec::new()).await;
    let mut buffer = [0; 4096];
    for stream in [&mut of_proxy, &mut of_client] {
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a request");
        assert!(stream.read(&mut buffer).await.expect("a response") > 0);
    }
    let closed = timeout(TIMEOUT, of_client.read(&mut buffer)).await.expect("an end in time");
    assert_eq!(closed.expect("an end"), 0);
    of_proxy.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a request");
    let read = of_proxy.read(&mut buffer).await.expect("a response");
    assert!(buffer[..read].starts_with(b"HTTP/1.1 200"), "closed after {read} bytes");
    stop.cancel();
}

async fn fails() -> &'static str {
    panic!("on purpose")
}

#[tokio::test]
async fn a_panic_in_a_handler_is_a_500_for_that_caller_alone() {
    let app = TestApp::start().await;
    let paths = Router::new().route("/fails", get(fails).post(fails)).route("/works", get(|| async { "works" }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let stop = CancellationToken::new();
    let service = app::service::AppService::new(paths, &app.state);
    let server = tokio::spawn(listener::serve(listener, service, connection_limits(100, 100, TIMEOUT), stop.clone()));
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let open = async |method, path: &str| {
        let response = http.request(method, format!("{url}{path}")).send().await.expect("a response");
        (response.status().as_u16(), response.text().await.expect("a text"))
    };
    for method in [reqwest::Method::GET, reqwest::Method::POST] {
        let (status, text) = open(method, "/fails").await;
        assert_eq!(status, 500);
        let problem: serde_json::Value = serde_json::from_str(&text).expect("a problem");
        assert_eq!(problem["code"], "internal_error");
        assert!(!text.contains("on purpose"), "{text}");
        assert_eq!(open(reqwest::Method::GET, "/works").await, (200, "works".to_owned()));
    }
    stop.cancel();
    server.await.expect("a server that ends");
}
