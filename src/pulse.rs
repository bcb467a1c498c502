//! Whether Postgres answers at all. A connection that has gone silent (a cable, a firewall, a stopped process) fails no query;
//! it only never answers. A request that has waited for a while takes the pulse, by a connection of its own, and where there is
//! none the client is told so within three seconds, while a query that is merely slow goes on.

use std::{sync::PoisonError, time::Duration};

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

/// How long a request waits before it takes the pulse, and again before it does so anew. A pulse that was good just before
/// Postgres fell silent costs a second wait: twice this and once [`PATIENCE`] stay below three seconds.
const DOUBT: Duration = Duration::from_millis(600);
/// How long Postgres has to answer.
const PATIENCE: Duration = Duration::from_millis(1200);
/// How long anything may take: longer than any statement does (`statement_timeout`).
const LONGEST: Duration = Duration::from_secs(65);
/// How long one answer serves all who ask.
const FRESH: Duration = Duration::from_millis(500);

/// For how long a connection is looked at twice after work has been given up.
const SUSPICION: Duration = Duration::from_mins(1);

/// When work was given up last, in this process.
static GIVEN_UP: std::sync::Mutex<Option<Instant>> = std::sync::Mutex::new(None);

/// Whether work has been given up of late: connections may come back that are inside a transaction of which nobody knows.
pub fn has_given_up() -> bool {
    let last = GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner);
    last.is_some_and(|last| last.elapsed() < SUSPICION)
}

/// Takes the pulse of Postgres, once for all who ask at the same time.
pub struct Pulse {
    options: PgConnectOptions,
    last: Mutex<Last>,
}

/// What is known of earlier times.
#[derive(Clone, Copy, Default)]
struct Last {
    taken: Option<Instant>,
    missed: Option<Instant>,
}

impl Pulse {
    /// The pulse of the Postgres at `options`.
    #[must_use]
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options, last: Mutex::default() }
    }

    /// Whether Postgres answers, and has done so since `since`: a connection that was used while it did not may stay silent
    /// for ever, however well it does now.
    async fn beats(&self, since: Instant) -> bool {
        let mut last = self.last.lock().await;
        if last.taken.is_none_or(|taken| taken.elapsed() >= FRESH) {
            let probe = async {
                let mut connection = PgConnection::connect_with(&self.options).await?;
                connection.ping().await?;
                connection.close().await
            };
            let beats = matches!(timeout(PATIENCE, probe).await, Ok(Ok(())));
            last.taken = Some(Instant::now());
            if !beats {
                last.missed = last.taken;
            }
        }
        last.missed.is_none_or(|missed| missed < since)
    }

    /// Awaits `work`, unless it waits for a Postgres that does not answer: then it is dropped, and with it its connection,
    /// which may never answer again. What it has not committed is undone.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                () = sleep(DOUBT) => {}
            }
            tokio::select! {
                done = &mut work => return Some(done),
                beats = self.beats(began) => if !beats || began.elapsed() > LONGEST {
                    // Before the work is dropped, and its connection looked at.
                    *GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                    return None;
                },
            }
        }
    }
}
