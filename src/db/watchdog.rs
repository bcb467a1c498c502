//! A watchdog for Postgres. A connection that has gone silent (a cable, a firewall, a stopped process) fails no query; it only
//! never answers. A request that has waited for a while has the watchdog probe Postgres. Where Postgres does not answer the
//! client is told so within three seconds, while a query that is merely slow goes on.

use std::{
    future::pending,
    sync::{Mutex as SyncMutex, PoisonError},
    time::Duration,
};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

/// Time that a request waits before it has Postgres probed, and again before the next probe. A probe that succeeded just before
/// Postgres fell silent costs a second wait: twice this and once [`PROBE_TIMEOUT`] stay below three seconds.
const PROBE_AFTER: Duration = Duration::from_millis(600);
/// Time that Postgres has to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1200);
/// Time that the watchdog's own connection has to answer before a new one is tried beside it: it may be broken by itself.
const RECONNECT_AFTER: Duration = Duration::from_millis(300);
/// Time that anything may take: longer than any statement does (`statement_timeout`).
const LONGEST: Duration = Duration::from_secs(65);
/// Time for which the result of a probe serves all who ask.
const PROBE_TTL: Duration = Duration::from_millis(500);

/// Time for which connections are checked when they return to the pool, after one of them may have become unusable.
const RECHECK_WINDOW: Duration = Duration::from_mins(1);

/// The last instant at which a connection may have become unusable, in this process.
static SUSPECTED_AT: SyncMutex<Option<Instant>> = SyncMutex::new(None);

/// Has the connections that return to the pool checked for a while: one may be inside a transaction of which nobody knows, or
/// read-only while the database no longer is.
pub fn suspect_connections() {
    *SUSPECTED_AT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

/// Tells whether connections that return to the pool are to be checked.
#[must_use]
pub fn are_connections_suspect() -> bool {
    let last = SUSPECTED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    last.is_some_and(|last| last.elapsed() < RECHECK_WINDOW)
}

/// Probes Postgres, once for all who ask at the same time.
pub struct Pulse {
    options: PgConnectOptions,
    state: Mutex<ProbeState>,
}

#[derive(Default)]
struct ProbeState {
    /// The watchdog's own connection: where others use up all that Postgres or a pooler has to give, a new one would have to
    /// wait, and slow would look like dead.
    connection: Option<PgConnection>,
    probed_at: Option<Instant>,
    failed_at: Option<Instant>,
}

impl Pulse {
    /// A watchdog for the Postgres at `options`, not yet connected.
    #[must_use]
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options: options.application_name("snack-server watchdog"), state: Mutex::default() }
    }

    /// Opens the watchdog's own connection, so that it is there when it is needed.
    pub async fn connect(&self) {
        let mut state = self.state.lock().await;
        let answers = Box::pin(probe(&self.options, &mut state.connection)).await;
        state.probed_at = answers.then(Instant::now);
    }

    /// Whether Postgres answers, and has done so since `since`: a connection that was used while it did not may stay silent
    /// for ever, however well Postgres does now.
    async fn is_alive(&self, since: Instant) -> bool {
        let mut state = self.state.lock().await;
        if state.probed_at.is_none_or(|at| at.elapsed() >= PROBE_TTL) {
            // On the heap: connecting takes kilobytes of state, and every guarded future would carry them.
            let answers = Box::pin(probe(&self.options, &mut state.connection)).await;
            state.probed_at = Some(Instant::now());
            if !answers {
                state.failed_at = state.probed_at;
            }
        }
        state.failed_at.is_none_or(|at| at < since)
    }

    /// Awaits `work`, unless it waits for a Postgres that does not answer: then it is dropped, and with it its connection,
    /// which may never answer again. What it has not committed is undone.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                () = sleep(PROBE_AFTER) => {}
            }
            tokio::select! {
                done = &mut work => return Some(done),
                is_alive = self.is_alive(began) => if !is_alive || began.elapsed() > LONGEST {
                    // Before the work is dropped, and its connection checked.
                    suspect_connections();
                    return None;
                },
            }
        }
    }
}

/// Tells whether Postgres answers within [`PROBE_TIMEOUT`], on `connection` or on a new one, which then takes its place.
async fn probe(options: &PgConnectOptions, connection: &mut Option<PgConnection>) -> bool {
    let standing = connection.take();
    let had_standing = standing.is_some();
    let ping = async {
        if let Some(mut standing) = standing
            && standing.ping().await.is_ok()
        {
            return standing;
        }
        pending().await
    };
    let reconnect = async {
        if had_standing {
            sleep(RECONNECT_AFTER).await;
        }
        PgConnection::connect_with(options).await
    };
    let probed = timeout(PROBE_TIMEOUT, async {
        tokio::select! {
            standing = ping => Ok(standing),
            reconnected = reconnect => reconnected,
        }
    });
    match probed.await {
        Ok(Ok(answering)) => {
            *connection = Some(answering);
            true
        }
        // A Postgres that has no connection to give answers all the same.
        Ok(Err(sqlx::Error::Database(refusal))) => refusal.code().is_some_and(|code| code == "53300"),
        _ => false,
    }
}
