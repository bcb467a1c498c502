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
//! Marks and rows are read before the comparison and are stored or deleted after it, so that what happens in between is a reason again.

use sqlx::PgPool;
use uuid::Uuid;

use super::counters::Counters;
use crate::error::ApiError;

/// State of PostgreSQL and of Redis before a comparison.
pub struct Reasons {
    /// Marks of PostgreSQL and of each node that tells one.
    marks: Vec<String>,
    /// Transactions whose counts Redis may not have.
    pub flushes: Vec<i64>,
    /// Marks and generations differ from those of the last complete comparison.
    pub has_changed: bool,
    /// All nodes respond.
    pub is_complete: bool,
}

impl Reasons {
    /// Reads them. None if no node responds.
    ///
    /// # Errors
    /// Postgres out of reach.
    pub async fn read(db: &PgPool, counters: &Counters) -> Result<Option<Self>, ApiError> {
        let stored = sqlx::query!(
            r#"SELECT generation, marks, ARRAY(SELECT transaction FROM reaction_flushes) AS "flushes!",
                   'postgres ' || (SELECT oid FROM pg_database WHERE datname = current_database()) || ' '
                   || extract(epoch FROM pg_postmaster_start_time()) AS "postgres!"
               FROM reaction_comparison"#
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
        Ok(Some(Self { marks, flushes: stored.flushes, has_changed, is_complete }))
    }

    /// Stores them after a complete comparison.
    pub async fn store(&self, db: &PgPool, generation: Option<Uuid>) -> Result<(), ApiError> {
        if let Some(generation) = generation {
            sqlx::query!("UPDATE reaction_comparison SET generation = $1, marks = $2", generation, &self.marks)
                .execute(db)
                .await?;
        }
        if !self.flushes.is_empty() {
            sqlx::query!("DELETE FROM reaction_flushes WHERE transaction = ANY($1)", &self.flushes).execute(db).await?;
        }
        Ok(())
    }
}
