//! Whether Postgres answers at all. A connection that has gone silent (a cable, a firewall, a stopped process) fails no query;
//! it only never answers. A request that has waited for a second takes the pulse, by a connection of its own, and where there is
//! none the client is told so within three seconds, while a query that is merely slow goes on.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use crate::error::{ApiError, Code};

/// How long a request waits before it takes the pulse, and again before it does so anew.
const DOUBT: Duration = Duration::from_secs(1);
/// How long Postgres has to answer.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long one answer serves all who ask.
const FRESH: Duration = Duration::from_millis(500);

/// Takes the pulse of Postgres, once for all who ask at the same time.
pub struct Pulse {
    options: PgConnectOptions,
    last: Mutex<Option<(Instant, bool)>>,
}

impl Pulse {
    /// The pulse of the Postgres at `options`.
    #[must_use]
    pub fn new(options: PgConnectOptions) -> Self {
        Self { options, last: Mutex::new(None) }
    }

    /// Whether Postgres answers.
    pub async fn beats(&self) -> bool {
        let mut last = self.last.lock().await;
        if let Some((taken, beats)) = *last
            && taken.elapsed() < FRESH
        {
            return beats;
        }
        let probe = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            connection.ping().await?;
            connection.close().await
        };
        let beats = matches!(timeout(PATIENCE, probe).await, Ok(Ok(())));
        *last = Some((Instant::now(), beats));
        beats
    }
}

/// The layer that ends requests which wait for a Postgres that does not answer. What a request may have changed by then goes on
/// by itself ([`crate::http::layers::detach`]); the client learns, as ever with a 503, that it does not know.
pub async fn watch(State(pulse): State<Arc<Pulse>>, request: Request, next: Next) -> Response {
    let mut work = std::pin::pin!(next.run(request));
    loop {
        tokio::select! {
            response = &mut work => return response,
            () = sleep(DOUBT) => {}
        }
        tokio::select! {
            response = &mut work => return response,
            beats = pulse.beats() => if !beats {
                return ApiError::from(Code::Unavailable).into_response();
            },
        }
    }
}
