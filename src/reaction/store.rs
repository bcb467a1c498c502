//! Reactions in Postgres: the rows that everything else counts.

use sqlx::PgPool;
use uuid::Uuid;

use super::{Counts, ReactionType};
use crate::error::{ApiError, Code};

/// What a change did to the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The reaction that went.
    pub from: Option<ReactionType>,
    /// The reaction that came.
    pub to: Option<ReactionType>,
    /// The epoch of the snack's last flush: what Redis holds under an older one has missed it.
    pub epoch: i64,
}

/// Writes the reaction of `user` to `snack`: one statement and one commit, whatever happens at once.
///
/// # Errors
/// `not_found`; `duplicate_reaction` when it stands already.
pub async fn react(db: &PgPool, snack: Uuid, user: i64, reaction: ReactionType) -> Result<Change, ApiError> {
    // A fresh row has no xmax; one that was switched over carries the lock of its update.
    let row = sqlx::query!(
        r#"WITH snack AS (SELECT id, counter_epoch FROM snacks WHERE uid = $1),
           changed AS (
               INSERT INTO snack_reactions AS reaction (snack_id, user_id, type) SELECT id, $2, $3 FROM snack
               ON CONFLICT ON CONSTRAINT snack_reactions_pkey
               DO UPDATE SET type = excluded.type, created_at = excluded.created_at WHERE reaction.type <> excluded.type
               RETURNING xmax = 0 AS inserted)
           SELECT (SELECT inserted FROM changed) AS inserted, counter_epoch AS "epoch!" FROM snack"#,
        snack,
        user,
        reaction as ReactionType
    )
    .fetch_optional(db)
    .await?
    .ok_or(Code::NotFound)?;
    let other = match reaction {
        ReactionType::Like => ReactionType::Hate,
        ReactionType::Hate => ReactionType::Like,
    };
    let inserted = row.inserted.ok_or(Code::DuplicateReaction)?;
    Ok(Change { from: (!inserted).then_some(other), to: Some(reaction), epoch: row.epoch })
}

/// Takes the reaction of `user` to `snack` back.
///
/// # Errors
/// `not_found`; `reaction_not_found` when there is none.
pub async fn cancel(db: &PgPool, snack: Uuid, user: i64) -> Result<Change, ApiError> {
    let row = sqlx::query!(
        r#"WITH snack AS (SELECT id, counter_epoch FROM snacks WHERE uid = $1),
           gone AS (
               DELETE FROM snack_reactions USING snack
               WHERE snack_id = snack.id AND user_id = $2 RETURNING type)
           SELECT (SELECT type FROM gone) AS "reaction: ReactionType", counter_epoch AS "epoch!" FROM snack"#,
        snack,
        user
    )
    .fetch_optional(db)
    .await?
    .ok_or(Code::NotFound)?;
    let from = row.reaction.ok_or(Code::ReactionNotFound)?;
    Ok(Change { from: Some(from), to: None, epoch: row.epoch })
}

/// Counts the rows of `snack`.
///
/// # Errors
/// Postgres out of reach.
pub async fn count(db: &PgPool, snack: Uuid) -> Result<Counts, ApiError> {
    let counts = sqlx::query_as!(
        Counts,
        r#"SELECT count(*) FILTER (WHERE type = 'like')::int AS "likes!", count(*) FILTER (WHERE type = 'hate')::int AS "hates!"
           FROM snack_reactions WHERE snack_id = (SELECT id FROM snacks WHERE uid = $1)"#,
        snack
    );
    Ok(counts.fetch_one(db).await?)
}
