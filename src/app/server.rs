//! Start and stop of the server.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    connections::ConnectionLimits,
    listener,
    router::{metrics_service, service},
    state::AppState,
};
use crate::{
    channel::sender::Channels,
    config::SettingError,
    error::{StartError, chain},
    live::hub,
    notification::mail::Mails,
    operations::cleanup,
    outbox::sender::Sender,
    reaction::flush::Flusher,
    statistics::daily_rollup,
};

/// Maximum number of open connections.
const MAX_CONNECTIONS: usize = 4096;
/// Maximum number of open connections to `METRICS_ADDR`.
const MAX_METRICS_CONNECTIONS: usize = 64;
/// Time after which a connection is closed whose client does not acknowledge or read the response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time that the shutdown waits for requests in progress, after `SHUTDOWN_DELAY`.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(9);
/// Time that the shutdown then waits for scrapes in progress.
const METRICS_STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves at `HTTP_ADDR` until `state.stop` is cancelled. The shutdown closes the listener, answers the requests that were
/// accepted, ends the deliveries under way, flushes the reaction counts and closes the pool, in this order. Metrics are served until
/// then.
///
/// # Errors
/// An address is in use, or the flush task panicked.
pub async fn serve(state: AppState) -> Result<(), StartError> {
    let listener = bind("HTTP_ADDR", state.config.http_addr).await?;
    serve_on(state, listener).await
}

async fn bind(variable: &'static str, address: SocketAddr) -> Result<TcpListener, SettingError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| SettingError::new(variable, format_args!("{address}: {error}")))
}

/// Serves the metrics at `METRICS_ADDR`, if that is set. Aborted when the result is dropped.
async fn serve_metrics(state: &AppState, stop: &CancellationToken) -> Result<JoinSet<()>, StartError> {
    let mut serving = JoinSet::new();
    if let Some(address) = state.config.metrics_addr {
        let listener = bind("METRICS_ADDR", address).await?;
        let address = listener.local_addr().map_err(StartError::failed)?;
        let limits = ConnectionLimits {
            total: MAX_METRICS_CONNECTIONS,
            per_address: MAX_METRICS_CONNECTIONS,
            write_timeout: WRITE_TIMEOUT,
            // The metrics end after everything else.
            shutdown_delay: Duration::ZERO,
            trusted_proxies: Vec::new(),
        };
        serving.spawn(listener::serve(listener, metrics_service(state), limits, stop.clone()));
        tracing::info!(%address, "metrics served");
    }
    Ok(serving)
}

/// [`serve`] on a listener that is bound already.
///
/// # Errors
/// Those of [`serve`].
pub async fn serve_on(state: AppState, listener: TcpListener) -> Result<(), StartError> {
    let address = listener.local_addr().map_err(StartError::failed)?;
    let stop_metrics = CancellationToken::new();
    let mut serving_metrics = serve_metrics(&state, &stop_metrics).await?;
    if state.config.web.is_none() {
        tracing::info!("web app not built (no web/dist), /app/ shows a placeholder");
    }
    tracing::info!(%address, "server started");
    let service = service(&state);
    let stop = CancellationToken::clone(&state.stop);

    state.watchdog.connect().await;
    // Aborted when this is dropped.
    let mut background = JoinSet::new();
    background.spawn({
        let state = state.clone();
        async move { state.auth.user_cache.listen(&state.config.database_direct).await }
    });
    background.spawn({
        let (state, stop) = (state.clone(), stop.clone());
        async move { cleanup::run(&state.snacks, &state.operations.metrics, &stop).await }
    });
    background.spawn({
        let (state, stop) = (state.clone(), stop.clone());
        async move { daily_rollup::run(&state.db, &state.watchdog, state.timezone, &stop).await }
    });
    background.spawn({
        let live = Arc::clone(&state.live);
        async move { hub::run(&live).await }
    });
    background.spawn({
        let live = Arc::clone(&state.live);
        async move { hub::end_streams_of_deleted_users(&live).await }
    });
    background.spawn({
        let relay = Arc::clone(&state.relay);
        async move { relay.run().await }
    });
    // Waited for at the shutdown. Aborted when this is dropped.
    let mut senders = JoinSet::new();
    senders.spawn({
        let channels = Channels(Arc::clone(&state.channels));
        let sender = Arc::new(Sender::new(channels, state.db.clone(), Arc::clone(&state.watchdog)));
        let (wake_ups, stop) = (state.outbox.wake_ups(), stop.clone());
        async move { sender.run(wake_ups, &stop).await }
    });
    if let Some(mail) = &state.config.mail {
        let mails = Mails::new(&state.config, mail, state.db.clone())?;
        let sender = Arc::new(Sender::new(mails, state.db.clone(), Arc::clone(&state.watchdog)));
        let (wake_ups, stop) = (state.outbox.wake_ups(), stop.clone());
        senders.spawn(async move { sender.run(wake_ups, &stop).await });
    }
    // Cancelled after the last response, because requests in progress may still change counts.
    let stop_flush = CancellationToken::new();
    let flusher = Flusher::new(&state.reactions, state.watchdog.clone());
    let mut flushing = tokio::spawn({
        let (intervals, stop) = ((state.config.flush_interval, state.config.reconcile_interval), stop_flush.clone());
        async move { Box::pin(flusher.run(intervals, &stop)).await }
    });

    let limits = ConnectionLimits {
        total: MAX_CONNECTIONS,
        per_address: state.config.limit_connections_address,
        write_timeout: WRITE_TIMEOUT,
        shutdown_delay: state.config.shutdown_delay,
        trusted_proxies: state.config.trusted_proxies.clone(),
    };
    let serving = tokio::spawn(listener::serve(listener, service, limits, stop.clone()));
    let failure = tokio::select! {
        () = stop.cancelled() => None,
        end = &mut flushing => Some(end),
    };
    stop.cancel();

    tracing::info!("server stopping");
    state.tasks.close();
    let drained = timeout(state.config.shutdown_delay + DRAIN_TIMEOUT, async {
        let _ = serving.await;
        state.tasks.wait().await;
        while senders.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!("requests or deliveries still in progress at the end of the drain timeout");
    }
    drop(background);
    drop(senders);
    if let Some(end) = failure {
        let cause = end.map_or_else(|error| chain(&error).to_string(), |()| "ended early".to_owned());
        return Err(StartError::failed(format_args!("the flush task failed: {cause}")));
    }
    stop_flush.cancel();
    let _ = flushing.await;
    state.db.close().await;
    stop_metrics.cancel();
    // Ends after the last scrape, which takes less than this.
    let _ = timeout(METRICS_STOP_TIMEOUT, serving_metrics.join_next()).await;
    tracing::info!("server stopped");
    Ok(())
}
