//! Reactions in Postgres: the rows that everything else counts.

use std::{collections::HashSet, time::Duration};

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

/// What somebody wants their reaction to a snack to be.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Which snack.
    pub snack: Uuid,
    /// Whose reaction.
    pub user: i64,
    /// The reaction; none takes back what is there.
    pub reaction: Option<ReactionType>,
}

/// What has become of a wish.
pub type Outcome = Result<Change, ApiError>;

/// Time that a batch waits for a lock that somebody else holds: everybody in it, and behind it, waits along.
pub const BATCH_LOCK_TIMEOUT: Duration = Duration::from_millis(50);
/// Time that a single reaction waits for a lock, where nobody waits along. Below the three seconds within which a client learns
/// that something is out of reach.
pub const SINGLE_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes what `wishes` ask for with [`write`]. Where one of them fails the statement each is tried again by itself, so that the
/// others are written. The outcome is none for one that met a lock which is held for longer than [`BATCH_LOCK_TIMEOUT`].
///
/// # Errors
/// Postgres out of reach.
pub async fn write_batch(db: &PgPool, wishes: &[Wish]) -> Result<Vec<Option<Outcome>>, ApiError> {
    match write(db, wishes, BATCH_LOCK_TIMEOUT).await {
        Ok(outcomes) => return Ok(outcomes.into_iter().map(Some).collect()),
        Err(error) if error.code == Code::Unavailable && !error.is_lock_timeout() => return Err(error),
        Err(error) => tracing::debug!(?error, "a batch of reactions failed and is tried again one by one"),
    }
    let mut outcomes = Vec::with_capacity(wishes.len());
    // One locked snack may be in the way of many wishes: its lock is waited for once.
    let mut locked = HashSet::new();
    for wish in wishes {
        if locked.contains(&wish.snack) {
            outcomes.push(None);
            continue;
        }
        outcomes.push(match write(db, std::slice::from_ref(wish), BATCH_LOCK_TIMEOUT).await {
            Ok(written) => written.into_iter().next(),
            Err(error) if error.is_lock_timeout() => {
                locked.insert(wish.snack);
                None
            }
            Err(error) if error.code == Code::Unavailable => return Err(error),
            Err(error) => Some(Err(error)),
        });
    }
    Ok(outcomes)
}

/// Writes what `wishes` ask for, in their order: one statement and one commit for all of them, or a few where somebody wishes
/// twice for the same snack. Each gets its own answer: what it changed, `not_found` for a snack that is none,
/// `duplicate_reaction` for a reaction that stands already, `reaction_not_found` where there is none to take back,
/// `invalid_token` for a user who is gone.
///
/// # Errors
/// Postgres out of reach, or a lock that is held for longer than `lock_timeout`.
pub async fn write(db: &PgPool, wishes: &[Wish], lock_timeout: Duration) -> Result<Vec<Outcome>, ApiError> {
    let mut outcomes: Vec<Option<Outcome>> = wishes.iter().map(|_| None).collect();
    let mut left: Vec<usize> = (0..wishes.len()).collect();
    while !left.is_empty() {
        // An INSERT must not meet the same row twice.
        let mut met = HashSet::new();
        let (now, later) =
            left.into_iter().partition::<Vec<_>, _>(|at| met.insert((wishes[*at].snack, wishes[*at].user)));
        let written = write_distinct(db, now.iter().map(|at| &wishes[*at]), lock_timeout).await?;
        for (at, outcome) in now.into_iter().zip(written) {
            outcomes[at] = Some(outcome);
        }
        left = later;
    }
    Ok(outcomes.into_iter().flatten().collect())
}

async fn write_distinct<'a>(
    db: &PgPool,
    wishes: impl Iterator<Item = &'a Wish> + Clone,
    lock_timeout: Duration,
) -> Result<Vec<Outcome>, ApiError> {
    let snacks: Vec<Uuid> = wishes.clone().map(|wish| wish.snack).collect();
    let users: Vec<i64> = wishes.clone().map(|wish| wish.user).collect();
    let reactions: Vec<Option<ReactionType>> = wishes.clone().map(|wish| wish.reaction).collect();
    // Without (SELECT ...) Postgres sees how many wishes there are, and plans anew each time.
    // Rows in one order whoever writes them, so that two servers' batches wait for each other instead of forever. A fresh row
    // has no xmax; one that was switched over carries the lock of its update. The time limit holds for this transaction alone,
    // which costs no statement of its own. A user who was deleted by hand would fail the statement for everybody.
    let rows = sqlx::query!(
        r#"WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', $4, true)),
           asked AS (
               SELECT number, snacks.id AS snack_id, counter_epoch, users.id AS user_id, asked.type
               FROM patience
               CROSS JOIN unnest((SELECT $1::uuid[]), (SELECT $2::bigint[]), (SELECT $3::reaction_type[]))
                   WITH ORDINALITY AS asked (snack, user_id, type, number)
               JOIN snacks ON snacks.uid = asked.snack
               LEFT JOIN users ON users.id = asked.user_id),
           wish AS (SELECT * FROM asked WHERE user_id IS NOT NULL),
           locked AS (
               SELECT snack_id, user_id FROM snack_reactions JOIN wish USING (snack_id, user_id)
               WHERE wish.type IS NULL ORDER BY snack_id, user_id FOR UPDATE OF snack_reactions),
           gone AS (
               DELETE FROM snack_reactions AS reaction USING locked
               WHERE reaction.snack_id = locked.snack_id AND reaction.user_id = locked.user_id
               RETURNING reaction.snack_id, reaction.user_id, reaction.type),
           changed AS (
               INSERT INTO snack_reactions AS reaction (snack_id, user_id, type)
               SELECT snack_id, user_id, type FROM wish WHERE type IS NOT NULL ORDER BY snack_id, user_id
               ON CONFLICT ON CONSTRAINT snack_reactions_pkey
               DO UPDATE SET type = excluded.type, created_at = excluded.created_at WHERE reaction.type <> excluded.type
               RETURNING snack_id, user_id, xmax = 0 AS inserted)
           SELECT number AS "number!", counter_epoch AS "epoch!", user_id AS "user?", changed.inserted AS "inserted?",
               gone.type AS "gone?: ReactionType"
           FROM asked LEFT JOIN changed USING (snack_id, user_id) LEFT JOIN gone USING (snack_id, user_id)"#,
        &snacks,
        &users,
        &reactions as &[Option<ReactionType>],
        format!("{}ms", lock_timeout.as_millis())
    )
    .fetch_all(db)
    .await
    .map_err(deleted_meanwhile)?;
    let mut outcomes: Vec<Outcome> = snacks.iter().map(|_| Err(Code::NotFound.into())).collect();
    for row in rows {
        let Some(at) = usize::try_from(row.number).ok().and_then(|number| number.checked_sub(1)) else { continue };
        outcomes[at] = match reactions[at] {
            _ if row.user.is_none() => Err(Code::InvalidToken.into()),
            Some(to) => row.inserted.ok_or_else(|| Code::DuplicateReaction.into()).map(|inserted| Change {
                from: (!inserted).then_some(to.other()),
                to: Some(to),
                epoch: row.epoch,
            }),
            None => row.gone.ok_or_else(|| Code::ReactionNotFound.into()).map(|from| Change {
                from: Some(from),
                to: None,
                epoch: row.epoch,
            }),
        };
    }
    Ok(outcomes)
}

/// The refusal of a reaction whose user or snack is deleted after the statement has read it.
fn deleted_meanwhile(error: sqlx::Error) -> ApiError {
    match error.as_database_error().and_then(sqlx::error::DatabaseError::constraint) {
        Some("snack_reactions_user_fkey") => Code::InvalidToken.into(),
        Some("snack_reactions_snack_fkey") => Code::NotFound.into(),
        _ => error.into(),
    }
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
