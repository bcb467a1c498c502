//! The accept loop. Unlike `axum::serve` it has timeouts for reading headers and for writing, limits for connections and their
//! buffers, and the address of the peer in every request.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, header},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use rustix::{
    io::Result,
    net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size},
    process::{Resource, getrlimit, setrlimit},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    connections::{ConnectionCounter, ConnectionLimits, CountedConnection},
    service::AppService,
};
use crate::error::chain;

/// Time limit for the headers of a request, and for the start of the next request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for connections of trusted proxies, which keep them for the requests of others. If the server closed one first, a request
/// that is being sent on it would be lost. Load balancers keep unused connections for up to 10 minutes.
const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(620);

/// Maximum size of the buffers of a connection for requests and for responses, in bytes. One more response may be waiting. The head of
/// a request has to fit.
const CONNECTION_BUFFER: usize = 32 * 1024;

/// Maximum size of the kernel's buffers of a connection in each direction, in bytes. By default they grow to megabytes for a client
/// that does not read.
const SOCKET_BUFFER: usize = 128 * 1024;

/// Time that an idle connection has for a request after [`ConnectionLimits::shutdown_delay`].
const IDLE_GRACE: Duration = Duration::from_millis(250);

/// Raises the limit of open files to the maximum. Its default of 1,024 on many systems is below the number of connections.
pub fn allow_connections() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(error = %chain(&error), "limit of open files not raised");
    }
}

/// Serves `service` on `listener` until `stop` and `limits.shutdown_delay`, then closes the listener and responds to the accepted
/// requests. Closing at once would lose requests that clients send on a connection while it is being closed. During the delay load
/// balancers see that the server is not ready, and clients get `Connection: close`.
///
/// A connection beyond `limits.total` waits in the queue of the kernel. One beyond `limits.per_address` is closed at once.
pub async fn serve(listener: TcpListener, service: AppService, limits: ConnectionLimits, stop: CancellationToken) {
    limit_sockets(&listener, limits.write_timeout);
    let (total, shutdown_delay) = (limits.total, limits.shutdown_delay);
    let counter = ConnectionCounter::new(limits);
    let service = Arc::new(service);
    // Shared, because a clone of the token locks a mutex.
    let stop = Arc::new(stop);
    let closing = CancellationToken::new();
    let _timer = tokio::spawn({
        let (stop, closing) = (Arc::clone(&stop), closing.clone());
        async move {
            stop.cancelled().await;
            sleep(shutdown_delay).await;
            closing.cancel();
        }
    });
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(total));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(CONNECTION_BUFFER);
    let mut proxy_builder = builder.clone();
    proxy_builder.header_read_timeout(PROXY_HEADER_TIMEOUT);
    let open = |stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit| {
        let Some(counted) = counter.admit(peer.ip()) else {
            metrics::counter!("http_connections_refused_total").increment(1);
            tracing::debug!(%peer, "connection refused, too many from this address");
            return;
        };
        // Most responses are small and would wait for more data. A failure only delays them.
        let _ = stream.set_nodelay(true);
        let (service, stop) = (Arc::clone(&service), Arc::clone(&stop));
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let response = Arc::clone(&service).respond(peer, request.map(Body::new));
            let stop = Arc::clone(&stop);
            async move {
                let mut response = response.await;
                if stop.is_cancelled() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let builder = if counter.is_trusted_proxy(peer.ip()) { &proxy_builder } else { &builder };
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            let _open: (OwnedSemaphorePermit, CountedConnection) = (permit, counted);
            if let Err(error) = connection.await {
                tracing::debug!(error = %chain(&error), %peer, "connection failed");
            }
        });
    };
    while let Some(Ok(permit)) = closing.run_until_cancelled(Arc::clone(&permits).acquire_owned()).await {
        let (stream, peer) = match closing.run_until_cancelled(listener.accept()).await {
            None => break,
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                // Out of file descriptors, or the client has disconnected.
                tracing::warn!(error = %chain(&error), "connection not accepted");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        open(stream, peer, permit);
    }
    // Connections that the kernel has accepted are served.
    if let Ok(backlog) = listener.into_std() {
        while let Ok((stream, peer)) = backlog.accept()
            && let Ok(permit) = Arc::clone(&permits).try_acquire_owned()
            && stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            open(stream, peer, permit);
        }
    }
    // Hyper closes connections from which it has read nothing, even if a request has arrived.
    if permits.available_permits() < total {
        sleep(IDLE_GRACE).await;
    }
    graceful.shutdown().await;
}

/// Limits the kernel's buffers of `listener`, and the time for which unread data stay in them. Accepted sockets inherit both.
fn limit_sockets(listener: &TcpListener, write_timeout: Duration) {
    let limited = set_socket_send_buffer_size(listener, SOCKET_BUFFER)
        .and_then(|()| set_socket_recv_buffer_size(listener, SOCKET_BUFFER))
        .and_then(|()| set_write_timeout(listener, write_timeout));
    if let Err(error) = limited {
        tracing::warn!(error = %chain(&error), "sockets not limited");
    }
}

/// The kernel keeps the data of a socket that the server has closed, and would wait for its client for minutes. A timer in the server
/// cannot end that.
#[cfg(target_os = "linux")]
fn set_write_timeout(listener: &TcpListener, timeout: Duration) -> Result<()> {
    let milliseconds = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(listener, milliseconds)
}

/// Other systems have no such limit.
#[cfg(not(target_os = "linux"))]
fn set_write_timeout(_: &TcpListener, _: Duration) -> Result<()> {
    Ok(())
}
