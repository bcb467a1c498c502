//! The accept loop. `axum::serve` has none of what this one is for: deadlines for reading headers and for writing, bounds on
//! connections and on their buffers, and the peer's address for every request.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, header},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use rustix::{
    net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size},
    process::{Resource, getrlimit, setrlimit},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt, service_fn};

use super::connections::{ConnectionCounter, ConnectionLimits, CountedConnection};

/// How long a client may take to send its headers, and to begin with its next request.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);

/// The most that the server buffers of a connection's requests, and again of its responses, in bytes; one response beyond
/// that may be waiting. A request head has to fit.
const CONNECTION_BUFFER: usize = 32 * 1024;

/// The most that the kernel buffers for a connection in each direction, in bytes. Left alone it grows to megabytes for a
/// client that does not read.
const SOCKET_BUFFER: usize = 128 * 1024;

/// How long the server goes on after it has been told to stop: long enough for clients to hear with an answer that their
/// connection ends, and for whoever asks whether the server is ready to hear that it is not.
const LAME: Duration = Duration::from_secs(1);
/// How long a connection that stood when the door closed has to come up with its request.
const LAST_WORD: Duration = Duration::from_millis(250);

/// Raises the number of files that this process may open to what the system allows: many systems allow 1,024 unless asked,
/// which is fewer than the server is to have connections.
pub fn allow_connections() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "fewer connections than intended can be open at once");
    }
}

/// Serves `router` on `listener` until `stop` and a little longer, then closes the door and answers what has been accepted.
///
/// Closing at once would lose requests: those that clients send on a connection while it is being closed.
///
/// A connection beyond `limits.total` waits in the kernel's queue; one beyond `limits.per_address` is closed at once.
pub async fn serve(listener: TcpListener, router: Router, limits: ConnectionLimits, stop: CancellationToken) {
    let (connections, write_deadline) = (limits.total, limits.write_deadline);
    let counter = ConnectionCounter::new(limits);
    bound_socket_buffers(&listener);
    let router = router.layer(from_fn_with_state(stop.clone(), say_goodbye));
    let closing = CancellationToken::new();
    let _timer = tokio::spawn({
        let closing = closing.clone();
        async move {
            stop.cancelled().await;
            sleep(LAME).await;
            closing.cancel();
        }
    });
    let graceful = GracefulShutdown::new();
    let doors = Arc::new(Semaphore::new(connections));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE).max_buf_size(CONNECTION_BUFFER);
    let open = |stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit| {
        let Some(counted) = counter.admit(peer.ip()) else {
            metrics::counter!("http_connections_refused_total").increment(1);
            tracing::debug!(%peer, "connection refused: too many from this address");
            return;
        };
        // Answers are small; waiting to fill a packet would only delay them. Failing that, they are merely late.
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        // As a layer around the router the same would rebuild every route for every connection.
        let service = TowerToHyperService::new(service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request)
        }));
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(write_deadline));
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
        tokio::spawn(async move {
            let _open: (OwnedSemaphorePermit, CountedConnection) = (permit, counted);
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "a connection ended badly");
            }
        });
    };
    while let Some(Ok(permit)) = closing.run_until_cancelled(Arc::clone(&doors).acquire_owned()).await {
        let (stream, peer) = match closing.run_until_cancelled(listener.accept()).await {
            None => break,
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                // Out of file descriptors, or a client that was gone already: the next one may fare better.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        open(stream, peer, permit);
    }
    // Whoever the kernel has let in already is not turned away.
    if let Ok(backlog) = listener.into_std() {
        while let Ok((stream, peer)) = backlog.accept()
            && let Ok(permit) = Arc::clone(&doors).try_acquire_owned()
            && stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            open(stream, peer, permit);
        }
    }
    // Hyper closes a connection of which it has not read anything yet, although the request may be in it.
    if doors.available_permits() < connections {
        sleep(LAST_WORD).await;
    }
    graceful.shutdown().await;
}

/// Bounds the kernel's buffers of the sockets that `listener` accepts, which inherit its options.
fn bound_socket_buffers(listener: &TcpListener) {
    let bounded = set_socket_send_buffer_size(listener, SOCKET_BUFFER)
        .and_then(|()| set_socket_recv_buffer_size(listener, SOCKET_BUFFER));
    if let Err(error) = bounded {
        tracing::warn!(%error, "socket buffers were not bounded");
    }
}

/// Tells the client with every answer of a server that stops that its connection ends here.
async fn say_goodbye(State(stop): State<CancellationToken>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if stop.is_cancelled() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}
