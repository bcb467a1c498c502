//! Clients that open a stream and do not read it.

use std::time::Duration;

use serde_json::json;
use snack_server::app::{self, listener::serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    event_stream::{EventStream, TIMEOUT},
    fixtures::insert_snacks,
    test_app::{TestApp, TestUser, connection_limits},
};

/// A stream on a connection whose client has a small buffer, read to its first comment.
async fn open_unread(address: &str, user: &TestUser) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(address.parse().expect("an address")).await.expect("a connection");
    let request = format!("GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", user.access);
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut head = Vec::new();
    while !head.ends_with(b":\n\n\r\n") {
        head.push(timeout(TIMEOUT, stream.read_u8()).await.expect("a response in time").expect("a response"));
    }
    stream
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_closed_and_the_others_go_on() {
    let app = TestApp::start().await;
    let users = app.users(2).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let stop = CancellationToken::new();
    let write_timeout = Duration::from_millis(500);
    let limits = connection_limits(100, 100, write_timeout);
    let server = tokio::spawn(serve(listener, app::router::service(&app.state), limits, stop.clone()));
    let snacks: Vec<_> = insert_snacks(&app, 900).await.iter().map(|uid| uid.parse().expect("a uid")).collect();

    let mut reader = EventStream::open(&app, &users[1]).await;
    let unread = open_unread(&address, &users[0]).await;
    let closing = async {
        while !app.state.live.streams.users_among([users[0].id]).is_empty() {
            app.state.changes.snacks(snacks.iter().copied());
            reader.wait_for("snack", json!({})).await;
        }
    };
    timeout(TIMEOUT, closing).await.expect("a stream that is closed");
    drop(unread);
    stop.cancel();
    server.await.expect("a server that ends");
}

#[tokio::test]
async fn a_stream_that_falls_behind_gets_a_resync_and_then_the_newest_events() {
    let app = TestApp::start().await;
    let users = app.users(2).await;
    let address = app.url.strip_prefix("http://").expect("an address");
    let snacks: Vec<_> = insert_snacks(&app, 900).await.iter().map(|uid| uid.parse().expect("a uid")).collect();
    let mut reader = EventStream::open(&app, &users[1]).await;
    let mut slow = open_unread(address, &users[0]).await;
    // More than fits into the buffers, and more batches than wait for a stream. The write timeout is longer.
    for month in 1..=30 {
        app.state.changes.snacks(snacks.iter().copied());
        app.state.changes.budget(format!("2026-{:02}", month % 12 + 1).parse().expect("a month"));
        reader.wait_for("budget", json!({})).await;
    }
    let behind = async {
        let (mut text, mut bytes) = (String::new(), vec![0; 64 * 1024]);
        while !text.contains("event: resync") {
            let read = slow.read(&mut bytes).await.expect("bytes");
            assert!(read > 0, "the stream ended");
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        assert!(text.matches("event: budget").count() < 25, "nothing was skipped");
        sleep(Duration::from_millis(300)).await;
        app.state.changes.budget("2031-01".parse().expect("a month"));
        while !text.contains("2031-01") {
            let read = slow.read(&mut bytes).await.expect("bytes");
            assert!(read > 0, "the stream ended");
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    };
    timeout(TIMEOUT, behind).await.expect("a resync and the last event");
}
