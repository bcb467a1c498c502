//! A watchdog that tells a Postgres that is slow from one that does not answer.
//!
//! A connection that has gone silent (a cable, a firewall, a stopped process) fails no query: the query waits for ever. While
//! a request waits, the watchdog probes Postgres on a connection of its own. If Postgres does not answer, the request fails
//! with a 503 within three seconds; a query that is merely slow goes on.
//!
//! After a failover the address leads to another Postgres, which answers, while connections to the former one may stay open and
//! silent. So the watchdog compares which run of Postgres answers. Another one than before means that requests wait in vain, unless
//! the watchdog's own connection was closed: then those of the requests are closed too.
//!
//! Price: a timer for each request, and one connection to Postgres.

use std::{
    future::pending,
    sync::{
        Mutex as SyncMutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection, Executor, PgConnection, Row, postgres::PgConnectOptions, raw_sql};
use tokio::{
    sync::{Mutex, Notify},
    time::{Instant, sleep, timeout},
};

use crate::error::ApiError;

/// Wait of a request before Postgres is probed, and before the next probe. A probe that succeeded just before Postgres went
/// silent costs a second wait: twice this and once [`PROBE_TIMEOUT`] stay below three seconds.
const PROBE_AFTER: Duration = Duration::from_millis(600);
/// Time limit of a probe.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1200);
/// Time that the watchdog's own connection has to answer before a new one is opened beside it. Its own may be broken.
const RECONNECT_AFTER: Duration = Duration::from_millis(300);
/// Time after a probe for which a connection that was closed says that the others were closed too. While requests wait, the next probe
/// comes sooner. Later Postgres may have failed once more.
const CLOSED_FOR: Duration = Duration::from_secs(3);
/// Time limit of all guarded work. Longer than `statement_timeout`.
const MAX_DURATION: Duration = Duration::from_secs(65);
/// Time for which the result of a probe is used by everybody who waits.
const PROBE_TTL: Duration = Duration::from_millis(500);

/// Time for which connections are checked on their return to the pool, after one of them may have become unusable.
const RECHECK_WINDOW: Duration = Duration::from_mins(1);

/// Last time that a connection may have become unusable. Shared by all pools of the process.
static SUSPECTED_AT: SyncMutex<Option<Instant>> = SyncMutex::new(None);

/// Has connections checked on their return to the pool for [`RECHECK_WINDOW`]. One may be inside a transaction that was
/// abandoned, or read-only although the database no longer is.
pub fn suspect_connections() {
    *SUSPECTED_AT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

/// Tells whether connections are to be checked on their return to the pool.
pub fn are_connections_suspect() -> bool {
    let last = SUSPECTED_AT.lock().unwrap_or_else(PoisonError::into_inner);
    last.is_some_and(|last| last.elapsed() < RECHECK_WINDOW)
}

/// Cause of an error: guarded work was given up.
#[derive(Debug, thiserror::Error)]
#[error("Postgres did not answer a probe")]
struct NoAnswer;

/// Tells whether guarded work was given up because Postgres did not answer.
pub fn is_no_answer(error: &ApiError) -> bool {
    std::error::Error::source(error).and_then(|source| source.downcast_ref::<NoAnswer>()).is_some()
}

/// Probes Postgres for all requests that wait.
pub struct DbWatchdog {
    options: PgConnectOptions,
    state: Mutex<ProbeState>,
}

#[derive(Default)]
struct ProbeState {
    /// The watchdog's own connection. When Postgres or a pooler has no connection left, a new one would have to wait, and a
    /// slow Postgres would look like a dead one.
    connection: Option<PgConnection>,
    /// The run of Postgres that answered last.
    run: Option<String>,
    /// True when the last connection of its own ended with an error, and false when it was given up or is open.
    was_closed: bool,
    probed_at: Option<Instant>,
    failed_at: Option<Instant>,
}

impl DbWatchdog {
    /// Does not connect yet.
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options: options.application_name("snack-server watchdog"), state: Mutex::default() }
    }

    /// Opens the watchdog's own connection.
    pub async fn connect(&self) {
        let mut state = self.state.lock().await;
        if let Ok(Answer::From { run, .. }) = Box::pin(probe(&self.options, &mut state)).await {
            state.run = Some(run);
            state.probed_at = Some(Instant::now());
        }
    }

    /// Tells whether Postgres answers and has done so since `since`, without a restart or a failover. A connection that was used
    /// while it did not may stay silent for ever.
    async fn is_alive(&self, since: Instant) -> bool {
        let mut state = self.state.lock().await;
        if state.probed_at.is_none_or(|at| at.elapsed() >= PROBE_TTL) {
            // On the heap: connecting takes kilobytes of state, and every guarded future would carry them.
            let answer = Box::pin(probe(&self.options, &mut state)).await;
            state.probed_at = Some(Instant::now());
            let is_lost = match answer {
                Ok(Answer::From { run, was_open }) => {
                    state.run.replace(run.clone()).is_some_and(|previous| was_open && previous != run)
                }
                Ok(Answer::Exhausted) => false,
                Err(NoAnswer) => true,
            };
            if is_lost {
                // Before the time of the failure: work that begins after it must not get a connection that was lost.
                suspect_connections();
                state.failed_at = Some(Instant::now());
            }
        }
        state.failed_at.is_none_or(|at| at < since)
    }

    /// Awaits `work`, and drops it when Postgres does not answer a probe. Its connection is dropped too, because it may never
    /// answer again; what the work has not committed is rolled back.
    ///
    /// # Errors
    /// Those of `work`; `unavailable` when it was dropped.
    pub async fn guard<T>(&self, work: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
        let started = Instant::now();
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                // The work first: what is done at once needs no timer.
                biased;
                done = &mut work => return done,
                () = sleep(PROBE_AFTER) => {}
            }
            tokio::select! {
                done = &mut work => return done,
                is_alive = self.is_alive(started) => if !is_alive || started.elapsed() > MAX_DURATION {
                    // Before the work is dropped, and its connection checked. That may be a minute after the failure.
                    suspect_connections();
                    return Err(ApiError::unavailable(NoAnswer));
                },
            }
        }
    }
}

/// Response to a probe.
enum Answer {
    /// Of the run of Postgres that began at `run`. `was_open` is true unless the former connection was closed.
    From { run: String, was_open: bool },
    /// Postgres or a pooler has no connection left.
    Exhausted,
}

/// Probes Postgres within [`PROBE_TIMEOUT`], on the connection of `state` or on a new one, which then replaces it.
async fn probe(options: &PgConnectOptions, state: &mut ProbeState) -> Result<Answer, NoAnswer> {
    let existing = state.connection.take();
    let is_recent = state.probed_at.is_some_and(|at| at.elapsed() < CLOSED_FOR);
    let was_closed = AtomicBool::new(state.was_closed && is_recent);
    let (is_connected, is_useless) = (existing.is_some(), Notify::new());
    let ask_existing = async {
        if let Some(mut existing) = existing {
            match ask(&mut existing).await {
                Ok((run, false)) => return (existing, run),
                // A read-only Postgres may have been the primary before a failover.
                Ok(_) => {}
                Err(_) => was_closed.store(true, Ordering::Relaxed),
            }
            is_useless.notify_one();
        }
        pending().await
    };
    let reconnect = async {
        if is_connected {
            let _ = timeout(RECONNECT_AFTER, is_useless.notified()).await;
        }
        let mut reconnected = PgConnection::connect_with(options).await?;
        let (run, _) = ask(&mut reconnected).await?;
        Ok::<_, sqlx::Error>((reconnected, run))
    };
    let probed = timeout(PROBE_TIMEOUT, async {
        tokio::select! {
            answer = ask_existing => Ok(answer),
            answer = reconnect => answer,
        }
    });
    let probed = probed.await;
    let was_closed = was_closed.into_inner();
    state.was_closed = was_closed;
    match probed {
        Ok(Ok((answering, run))) => {
            state.connection = Some(answering);
            state.was_closed = false;
            Ok(Answer::From { run, was_open: !was_closed })
        }
        // Too many connections.
        Ok(Err(sqlx::Error::Database(error))) if error.code().is_some_and(|code| code == "53300") => {
            Ok(Answer::Exhausted)
        }
        _ => Err(NoAnswer),
    }
}

/// The start of the run of Postgres that `connection` leads to, and whether it is read-only.
async fn ask(connection: &mut PgConnection) -> Result<(String, bool), sqlx::Error> {
    let question = "SELECT pg_postmaster_start_time()::text, current_setting('transaction_read_only')::bool";
    let row = connection.fetch_one(raw_sql(question)).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}
