//! Reasons to compare the counts of all snacks, which takes long if there are many.
//!
//! Redis has the counts of the columns, or gets them with the next flush, unless one of these happens. Each can be seen afterwards:
//!
//! - A node of Redis loses data or returns to older data: it was restarted, a replica has taken over, or slots have moved (its mark is
//!   another one), or somebody has deleted its data (its generation is missing).
//! - The counts of a flush do not reach Redis, because it is out of reach or the server is killed, or somebody changes the columns: the
//!   trigger of the columns has written a row that the flush has not deleted.
//! - PostgreSQL loses commits or returns to older data: it was restarted, a standby has taken over, or the database was restored (its
//!   mark is another one).
//!
//! An INCR that is lost is no reason, because its dirty row makes the next flush set the counts. Values that somebody changes singly
//! in Redis cannot be seen; the sweep finds them.
//!
//! Marks and a snapshot of the rows are taken before the comparison. They are stored and its rows deleted after it, so that what happens
//! in between is a reason again.

use sqlx::PgPool;
use uuid::Uuid;

use super::counters::Counters;
use crate::error::ApiError;

/// State of PostgreSQL and of Redis before a comparison.
pub struct Reasons {
    /// Marks of PostgreSQL and of each node that tells one.
    marks: Vec<String>,
    /// Snapshot of PostgreSQL, in which the rows of flushes are seen.
    pub snapshot: String,
    /// Redis may not have the counts of a flush.
    pub has_flushes: bool,
    /// Marks and generations differ from those of the last complete comparison.
    pub has_changed: bool,
    /// All nodes respond.
    pub is_complete: bool,
}

impl Reasons {
    /// Reads them, with the rows of flushes in `snapshot` or else all of them. None if no node responds.
    ///
    /// # Errors
    /// Postgres out of reach.
    pub async fn read(db: &PgPool, counters: &Counters, snapshot: Option<&str>) -> Result<Option<Self>, ApiError> {
        let stored = sqlx::query!(
            r#"SELECT generation, marks, snapshot::text AS "snapshot!",
                   EXISTS (SELECT FROM reaction_flushes WHERE txid_visible_in_snapshot(transaction, snapshot)) AS "has_flushes!",
                   'postgres ' || (SELECT oid FROM pg_database WHERE datname = current_database()) || ' '
                   || extract(epoch FROM pg_postmaster_start_time()) AS "postgres!"
               FROM reaction_comparison
               CROSS JOIN coalesce($1::text::txid_snapshot, txid_current_snapshot()) AS snapshot"#,
            snapshot
        )
        .fetch_one(db)
        .await?;
        let nodes = counters.nodes().await;
        let is_complete = nodes.iter().all(Option::is_some);
        let nodes: Vec<_> = nodes.into_iter().flatten().collect();
        if nodes.is_empty() {
            return Ok(None);
        }
        let generation = stored.generation.map(|generation| generation.to_string());
        let is_known = |mark: &String| stored.marks.contains(mark);
        let has_changed = !is_known(&stored.postgres)
            || nodes.iter().any(|node| {
                generation.is_none() || node.value != generation || !node.mark.as_ref().is_some_and(is_known)
            });
        let marks = nodes.into_iter().filter_map(|node| node.mark).chain([stored.postgres]).collect();
        let (snapshot, has_flushes) = (stored.snapshot, stored.has_flushes);
        Ok(Some(Self { marks, snapshot, has_flushes, has_changed, is_complete }))
    }

    /// Stores them after a complete comparison.
    pub async fn store(&self, db: &PgPool, generation: Option<Uuid>) -> Result<(), ApiError> {
        if let Some(generation) = generation {
            sqlx::query!("UPDATE reaction_comparison SET generation = $1, marks = $2", generation, &self.marks)
                .execute(db)
                .await?;
        }
        if self.has_flushes {
            sqlx::query!(
                "DELETE FROM reaction_flushes WHERE txid_visible_in_snapshot(transaction, $1::text::txid_snapshot)",
                self.snapshot
            )
            .execute(db)
            .await?;
        }
        Ok(())
    }
}
