//! Gauges that are read when the metrics are: of the stores, and of the process.

use std::time::Duration;

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};
use sqlx::PgPool;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{error::ApiError, reaction::counters::Counters};

/// Time limit of the query to Postgres. Shorter than the wait after which the watchdog ends requests: without Postgres there are still
/// metrics.
const POSTGRES_TIMEOUT: Duration = Duration::from_millis(500);
/// Time for which gauges are not read again, because anybody may ask for them.
const TTL: Duration = Duration::from_secs(1);

/// Time of the last reading.
#[derive(Default)]
pub struct Gauges {
    read_at: Mutex<Option<Instant>>,
}

impl Gauges {
    /// Reads all gauges, unless they have just been read.
    pub async fn read(&self, db: &PgPool, counters: &Counters) {
        let mut read_at = self.read_at.lock().await;
        if read_at.is_some_and(|at| at.elapsed() < TTL) {
            return;
        }
        let idle = u32::try_from(db.num_idle()).unwrap_or(u32::MAX);
        metrics::gauge!("postgres_pool_connections").set(f64::from(db.size()));
        metrics::gauge!("postgres_pool_connections_in_use").set(f64::from(db.size().saturating_sub(idle)));
        read_process();
        let (outbox, is_redis_up) = tokio::join!(timeout(POSTGRES_TIMEOUT, outbox(db)), counters.is_reachable());
        metrics::gauge!("redis_up").set(f64::from(is_redis_up));
        let is_postgres_up = match outbox {
            Ok(Ok(outbox)) => {
                metrics::gauge!("deliveries_pending").set(outbox.pending);
                metrics::gauge!("deliveries_overdue_seconds").set(outbox.overdue_seconds);
                outbox.is_writable
            }
            _ => false,
        };
        metrics::gauge!("postgres_up").set(f64::from(is_postgres_up));
        *read_at = Some(Instant::now());
    }
}

struct Outbox {
    pending: f64,
    /// Lateness of the delivery that has been due for longest.
    overdue_seconds: f64,
    /// Tells whether Postgres accepts writes.
    is_writable: bool,
}

/// Mails with links are left out: anybody may read the metrics, and would see whether an email has an account.
async fn outbox(db: &PgPool) -> Result<Outbox, ApiError> {
    let row = sqlx::query!(
        r#"SELECT count(*)::float8 AS "pending!",
            coalesce(extract(epoch FROM greatest(now() - min(next_attempt_at), interval '0')), 0)::float8 AS "overdue_seconds!",
            NOT current_setting('transaction_read_only')::bool AS "is_writable!"
        FROM deliveries WHERE status = 'pending' AND account_mail_id IS NULL"#
    )
    .fetch_one(db)
    .await?;
    Ok(Outbox { pending: row.pending, overdue_seconds: row.overdue_seconds, is_writable: row.is_writable })
}

/// Gauges of the process under the names that Prometheus's own libraries use. Without `/proc` there are none.
#[expect(clippy::cast_precision_loss, reason = "numbers of bytes and files are far below 2^52")]
fn read_process() {
    if let Some(pages) = number_in("/proc/self/statm", 1) {
        metrics::gauge!("process_resident_memory_bytes").set(pages as f64 * page_size() as f64);
    }
    if let (Some(user), Some(system)) = (number_in("/proc/self/stat", 13), number_in("/proc/self/stat", 14)) {
        metrics::counter!("process_cpu_seconds_total").absolute((user + system) / clock_ticks_per_second());
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(files.count() as f64);
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current {
        metrics::gauge!("process_max_fds").set(limit as f64);
    }
}

/// Number at `index` in a file of `/proc`. The name of the program, which is in one of them, has no space.
fn number_in(file: &str, index: usize) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.split_whitespace().nth(index)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_process_are_read() {
        let resident = number_in("/proc/self/statm", 1).expect("pages") * page_size() as u64;
        assert!((1 << 20..1 << 40).contains(&resident), "{resident}");
        // As many ticks as there could be since the process began.
        let ticks = number_in("/proc/self/stat", 13).expect("ticks");
        assert!(ticks / clock_ticks_per_second() < 3600, "{ticks}");
        assert_eq!(number_in("/proc/self/nothing", 0), None);
    }
}
