//! The accept loop. `axum::serve` has none of what this one is for: a deadline for headers, a cap on connections, and the
//! peer's address for every request.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router, extract::ConnectInfo};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, time::sleep};
use tokio_util::sync::CancellationToken;

/// How many connections are open at once; a further one waits at the door.
const CONNECTIONS: usize = 4096;
/// How long a client may take to send its headers, and to begin with its next request.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);

/// Serves `router` on `listener` until `stop`, then closes the door and answers what has been accepted.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let doors = Arc::new(Semaphore::new(CONNECTIONS));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE);
    while let Some(Ok(permit)) = stop.run_until_cancelled(Arc::clone(&doors).acquire_owned()).await {
        let (stream, peer) = match stop.run_until_cancelled(listener.accept()).await {
            None => break,
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                // Out of file descriptors, or a client that was gone already: the next one may fare better.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Answers are small; waiting to fill a packet would only delay them. Failing that, they are merely late.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone().layer(Extension(ConnectInfo(peer))));
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %peer, "a connection ended badly");
            }
            drop(permit);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}
