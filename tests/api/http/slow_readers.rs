//! Clients that send requests and do not read the responses: their connections are closed, and their memory is bounded.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use snack_server::app::{
    self,
    listener::{allow_connections, serve},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
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
/// Far more than the buffers of the server, the kernel and the client hold together.
const PIPELINED: usize = 60;

fn requests(path: &str, count: usize) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(count).into_bytes()
}

/// A connection with so many requests on it, of which nothing is read.
async fn pipeline(address: &str, path: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    // The server stops reading before it has all of them.
    let _ = timeout(Duration::from_millis(200), stream.write_all(&requests(path, PIPELINED))).await;
    Some(stream)
}

/// Reads until the connection ends.
async fn read_to_the_end(stream: &mut TcpStream) -> usize {
    let mut bytes = Vec::new();
    let end = timeout(TIMEOUT, stream.read_to_end(&mut bytes)).await;
    assert!(end.is_ok(), "the connection stands after {} bytes", bytes.len());
    bytes.len()
}

#[tokio::test]
async fn a_connection_whose_client_does_not_read_is_closed_and_one_that_reads_slowly_goes_on() {
    let app = TestApp::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let stop = CancellationToken::new();
    let write_timeout = Duration::from_millis(500);
    let limits = connection_limits(100, 100, write_timeout);
    let server = tokio::spawn(serve(listener, app::router::service(&app.state), limits, stop.clone()));
    let whole = app.request(reqwest::Method::GET, "/openapi.json");
    let length = app.send(whole).await.text.len();

    let mut reader = TcpStream::connect(&address).await.expect("a connection");
    reader.write_all(&requests("/openapi.json", 20)).await.expect("requests");
    let mut idle = pipeline(&address, "/openapi.json").await.expect("a connection");
    // Reads a little at a time, for longer than the deadline in total.
    let mut read = 0;
    let mut bytes = vec![0; length / 8];
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while read < 19 * length {
        ticks.tick().await;
        match timeout(TIMEOUT, reader.read(&mut bytes))
            .await
            .expect("bytes in time")
            .expect("a connection that goes on")
        {
            0 => panic!("the reader's connection ended after {read} bytes"),
            count => read += count,
        }
    }
    let received = read_to_the_end(&mut idle).await;
    assert!(received < PIPELINED * length, "the connection of the client that did not read went on");
    drop((reader, idle));
    stop.cancel();
    server.await.expect("a server that ends");
}

#[tokio::test]
async fn past_its_limit_an_address_gets_no_connection_and_others_do() {
    let database = database::create().await;
    let server = Run::on(&database, &["serve"]).set("LIMIT_CONNECTIONS_ADDRESS", "5").serve().await;
    let pipeline = async |from: &str| {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(format!("{from}:0").parse().expect("an address")).expect("a port");
        let mut stream = socket.connect(server.address.parse().expect("an address")).await.expect("a connection");
        // The server may have closed it already.
        let _ = stream.write_all(&requests("/health/live", 1)).await;
        let mut status = [0; 12];
        let answered = timeout(TIMEOUT, stream.read_exact(&mut status)).await.expect("a response or an end");
        (answered.is_ok_and(|_| &status == b"HTTP/1.1 200"), stream)
    };
    let mut open = Vec::new();
    for _ in 0..5 {
        let (answered, stream) = pipeline("127.0.0.1").await;
        assert!(answered);
        open.push(stream);
    }
    assert!(!pipeline("127.0.0.1").await.0, "a sixth connection of an address that may have five");
    assert!(pipeline("127.0.0.2").await.0, "another address");
    drop(open);
    let freed = async { while !pipeline("127.0.0.1").await.0 {} };
    timeout(TIMEOUT, freed).await.expect("a connection after the others have been closed");
}

#[tokio::test]
async fn large_pages_that_nobody_reads_share_a_budget() {
    allow_connections();
    let database = database::create().await;
    let server = Run::on(&database, &["serve"]).serve().await;
    let client = ProcessClient::new(&server);
    let (access, _) = client.member("kim@snack.example").await;
    for number in 0..100 {
        let snack = json!({"name": format!("간식 {number}"), "price": 100, "desc": "새".repeat(5000)});
        assert_eq!(client.post(&access, "/snacks", snack).await.0, 201);
    }
    let before = server.resident();
    let page = format!("GET /snacks?limit=100 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access}\r\n\r\n");
    let pipeline = async || {
        let mut stream = TcpStream::connect(&server.address).await.expect("a connection");
        stream.write_all(page.as_bytes()).await.expect("a request");
        let mut status = [0; 12];
        timeout(TIMEOUT, stream.read_exact(&mut status)).await.expect("a response in time").expect("a response");
        (status == *b"HTTP/1.1 503", stream)
    };
    let mut open = Vec::new();
    let mut rejected = 0;
    // 150 MiB in total.
    for _ in 0..100 {
        let (is_rejected, stream) = pipeline().await;
        rejected += usize::from(is_rejected);
        open.push(stream);
    }
    let increase = server.resident().saturating_sub(before);
    assert!(increase < 128, "the server grew by {increase} MiB");
    assert!(rejected > 0, "no page was rejected");
    drop(open);
    let served = async { while pipeline().await.0 {} };
    timeout(TIMEOUT, served).await.expect("a budget that is free again");
}

/// Opens connections whose clients do not read, and returns the growth of the server's memory in MiB.
async fn growth(server: &Server, path: &str, connections: usize) -> u64 {
    let before = server.resident();
    let mut peak = before;
    let mut open = Vec::new();
    for _ in 0..connections / 50 {
        open.extend(join_all((0..50).map(|_| pipeline(&server.address, path))).await);
        peak = peak.max(server.resident());
    }
    peak - before
}

#[tokio::test]
async fn clients_that_do_not_read_take_little_memory_and_keep_nobody_out() {
    allow_connections();
    let database = database::create().await;
    let server = Run::on(&database, &["serve"]).serve().await;
    // The limit of connections from one address.
    let increase = growth(&server, "/openapi.json", 500).await;
    assert!(increase < 128, "the server grew by {increase} MiB");
    let other_address = std::net::IpAddr::from([127, 0, 0, 9]);
    let http = reqwest::Client::builder().no_proxy().local_address(other_address).build().expect("a client");
    let asked = http.get(format!("http://{}/health/ready", server.address)).send();
    let response = timeout(Duration::from_secs(5), asked).await.expect("a response in time").expect("a response");
    assert_eq!(response.status(), 200);
}
